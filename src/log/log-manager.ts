/**
 * All partition logs of one data directory. It owns what they share (file handles, the tail cache, the order of syncs,
 * recovery points, the watch over free space), the clean-shutdown marker, and one timer for all of them: an idle log
 * costs its few fields and nothing else. The caller holds the lock on the directory.
 */
import type { Codecs } from '../protocol/batch/types.ts'
import { ApiError } from '../protocol/errors.ts'
import type { Clock, Timer } from '../util/clock.ts'
import { CorruptionError, StorageError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { MiB, minuteMs, secondMs } from '../util/units.ts'
import { parentDirectory } from './atomic-file.ts'
import type { Disk } from './disk.ts'
import { diskFull, isNoSpace, toError } from './failures.ts'
import { FilePool } from './file-pool.ts'
import { failLog, LogCore, type LogEnvironment } from './log-core.ts'
import { readTopicId, writeTopicId } from './log-files.ts'
import { createFiles, writeOut } from './log-writer.ts'
import { OffsetCheckpoint } from './offset-checkpoint.ts'
import { StoredLog } from './partition-log.ts'
import { deletedDirectoryName, fileName, parsePartitionDirectory, partitionDirectoryName, suffix } from './paths.ts'
import { ReadAhead } from './read-ahead.ts'
import { recoverLog } from './recovery.ts'
import { RetentionClock } from './retention-clock.ts'
import { Segment } from './segment.ts'
import { SpaceWatch } from './space-watch.ts'
import { SyncScheduler } from './sync-scheduler.ts'
import { TailCache } from './tail-cache.ts'
import type { LogConfig, LogHealth, LogManager, LogManagerStats, PartitionLog, TopicPartition } from './types.ts'

export interface LogManagerOptions {
  /** Created if it is missing. */
  readonly directory: string
  readonly disk: Disk
  readonly clock: Clock
  /** To look into compressed batches for offset-for-timestamp. */
  readonly codecs: Codecs
  readonly logger: Logger
  readonly tailCacheBytesMax: number
  readonly readAheadBytesMax: number
  readonly openFilesMax: number
  readonly syncsInFlightMax: number
  /** How far a log under `sync` may write ahead of its sync; what is appended beyond it waits in memory. */
  readonly unflushedBytesMax: number
  /** Appends are refused when less is free. */
  readonly reserveBytes?: number
  readonly spaceCheckIntervalMs?: number
  readonly checkpointIntervalMs?: number
}

/** The last stop of the directory's logs wrote the clean-shutdown marker; the next start removes it. */
export function wasStoppedCleanly(disk: Disk, directory: string): boolean {
  return disk.exists(`${directory}/${fileName.cleanShutdown}`)
}

/** Opens a data directory; logs are opened one by one with `openLog`. */
export async function openLogManager(options: LogManagerOptions): Promise<LogManager> {
  const { directory, disk, logger } = options
  await makeDurableDirectory(disk, directory)
  const manager = new DirectoryLogManager(options)
  await manager.start()
  const { wasClean } = manager
  logger.info({ directory, wasClean, partitions: manager.found().length }, 'log directory opened')
  return manager
}

class DirectoryLogManager implements LogManager {
  readonly directory: string
  readonly wasClean: boolean
  readonly logs = new Map<string, StoredLog>()
  readonly highWatermarks: OffsetCheckpoint
  readonly #options: LogManagerOptions
  readonly #env: LogEnvironment
  readonly #opening = new Map<string, Promise<StoredLog>>()
  readonly #found = new Map<string, TopicPartition>()
  #dirty: LogCore[] = []
  #timer: Timer | null = null
  #closing: Promise<void> | null = null
  #removals = 0
  /** Removed directories on their way out. */
  readonly #removing = new Set<Promise<void>>()
  /** A log failed or was damaged: the next start must look at everything. */
  #hasFailed = false

  constructor(options: LogManagerOptions) {
    const { disk, clock, directory } = options
    this.#options = options
    this.directory = directory
    this.wasClean = wasStoppedCleanly(disk, directory)
    const syncs = new SyncScheduler(clock, options.syncsInFlightMax)
    this.highWatermarks = new OffsetCheckpoint(disk, syncs, this.#path(fileName.highWatermarks))
    this.#env = {
      disk,
      clock,
      codecs: options.codecs,
      logger: options.logger,
      syncs,
      files: new FilePool(disk, options.openFilesMax),
      cache: new TailCache(options.tailCacheBytesMax),
      ahead: new ReadAhead(clock, options.readAheadBytesMax),
      space: new SpaceWatch({
        disk,
        clock,
        directory,
        logger: options.logger,
        reserveBytes: options.reserveBytes ?? 32 * MiB,
        intervalMs: options.spaceCheckIntervalMs ?? 5 * secondMs,
      }),
      recoveryPoints: new OffsetCheckpoint(disk, syncs, this.#path(fileName.recoveryPoints)),
      retentionClock: new RetentionClock(clock.wallClockMs(), clock.nowMs()),
      counters: { bytesAppended: 0, writes: 0, pendingBytes: 0 },
      unsyncedBytesMax: options.unflushedBytesMax,
      scheduleWrite: core => this.#scheduleWrite(core),
    }
  }

  /** Removes the marker, durably, before anything changes: from now on a stop is unclean until `dispose` says otherwise. */
  async start(): Promise<void> {
    const { disk, syncs, recoveryPoints, logger, space } = this.#env
    if (this.wasClean) await disk.removeFile(this.#path(fileName.cleanShutdown))
    // Also for the names of partitions that a process made which was killed before it had synced them: here they are, and
    // nothing else would tell that they are not on disk.
    await syncs.run(() => disk.syncDirectory(this.directory))
    if (!recoveryPoints.wasSound) {
      logger.warn({ path: this.#path(fileName.recoveryPoints) }, 'recovery points damaged: every log is scanned')
    }
    if (!this.highWatermarks.wasSound) {
      logger.warn({ path: this.#path(fileName.highWatermarks) }, 'high watermarks damaged: replicas learn theirs anew')
    }
    for (const name of disk.list(this.directory)) await this.#inspect(name)
    await space.start()
    this.#scheduleCheckpoint()
  }

  found(): readonly TopicPartition[] {
    return [...this.#found.values()]
  }

  openLog(id: TopicPartition, config: LogConfig): Promise<PartitionLog> {
    const name = partitionDirectoryName(id.topic, id.partition)
    const open = this.logs.get(name)
    if (open !== undefined && open.id.topicId === id.topicId) return Promise.resolve(open)
    const other = this.#opening.get(name)
    if (other !== undefined) return other.then(() => this.openLog(id, config))
    const opening = this.#open(name, id, config).finally(() => this.#opening.delete(name))
    this.#opening.set(name, opening)
    return opening
  }

  async removeLog(id: TopicPartition): Promise<void> {
    const name = partitionDirectoryName(id.topic, id.partition)
    await this.#opening.get(name)
    const log = this.logs.get(name)
    if (log !== undefined) await log.abandon()
    const { disk, syncs, recoveryPoints } = this.#env
    this.#found.delete(name)
    recoveryPoints.delete(id)
    this.highWatermarks.delete(id)
    if (!disk.exists(this.#path(name))) return
    const unique = `${id.topicId}.${this.#removals++}`
    const doomed = this.#path(deletedDirectoryName(id.topic, id.partition, unique))
    await disk.removeDirectory(doomed)
    // Also of a log that failed before it knew its segments: the next one of that name must not write to what is gone.
    this.#env.files.forgetIn(this.#path(name))
    disk.rename(this.#path(name), doomed)
    await syncs.run(() => disk.syncDirectory(this.directory))
    this.#removeInBackground(doomed)
  }

  health(): LogHealth {
    return { oldestSyncMs: this.#env.syncs.oldestMs, isDiskFull: this.#env.space.isLow }
  }

  stats(): LogManagerStats {
    const { counters, syncs, cache, files } = this.#env
    return {
      bytesAppended: counters.bytesAppended,
      writes: counters.writes,
      syncs: syncs.count,
      syncMsSamples: syncs.drainSamples(),
      ...this.health(),
      tailCacheBytes: cache.bytes,
      tailCacheHits: cache.hits,
      tailCacheMisses: cache.misses,
      openFiles: files.openCount,
      pendingBytes: counters.pendingBytes,
    }
  }

  async checkpoint(): Promise<void> {
    for (const log of [...this.logs.values()]) await log.checkpoint()
    await this.#env.recoveryPoints.save()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #path(name: string): string {
    return `${this.#options.directory}/${name}`
  }

  async #inspect(name: string): Promise<void> {
    const { disk, logger } = this.#env
    const path = this.#path(name)
    if (name.endsWith(suffix.temporary)) return disk.removeFile(path)
    if (!disk.isDirectory(path)) return
    if (name.endsWith(suffix.deletedDirectory)) return this.#removeInBackground(path)
    const id = parsePartitionDirectory(name)
    if (id === null) return
    try {
      const topicId = readTopicId(disk, path)
      if (topicId !== null) this.#found.set(name, { ...id, topicId })
    } catch (error) {
      logger.error({ path, error: toError(error).message }, 'partition directory cannot be identified: left alone')
    }
  }

  async #open(name: string, id: TopicPartition, config: LogConfig): Promise<StoredLog> {
    const core = new LogCore(this.#env, id, this.#path(name), config)
    try {
      await this.#prepareDirectory(core)
      await recoverLog(core, this.wasClean && this.#env.recoveryPoints.has(id))
    } catch (error) {
      if (isNoSpace(error)) throw diskFull()
      if (!isDamage(error)) throw error
      this.#hasFailed = true
      failLog(core, error)
    }
    const log = new StoredLog(core, () => {
      this.#hasFailed ||= core.failure !== null
      if (this.logs.get(name) === log) this.logs.delete(name)
    })
    this.#found.set(name, id)
    this.logs.set(name, log)
    return log
  }

  /** The directory with the topic id in it is durable before any segment is: records never lie in a nameless directory. */
  async #prepareDirectory(core: LogCore): Promise<void> {
    const { disk, syncs, files } = this.#env
    const { directory, id } = core
    const topicId = readTopicId(disk, directory)
    if (topicId === id.topicId) return
    if (topicId !== null)
      throw new ApiError('UNKNOWN_TOPIC_ID', `${directory} holds topic id ${topicId}, not ${id.topicId}`)
    const isLog = (name: string): boolean => name.endsWith(suffix.log)
    if (disk.list(directory).some(name => isLog(name) && disk.sizeOf(`${directory}/${name}`) > 0)) {
      throw new CorruptionError(directory, `has segments but no ${fileName.metadata}`)
    }
    disk.makeDirectory(directory)
    // The first segment's name becomes durable along with the metadata, before there are others after it.
    createFiles(core, new Segment(files, directory, 0, null))
    await writeTopicId(disk, syncs, directory, id.topicId)
    await syncs.run(() => disk.syncDirectory(this.directory))
  }

  #scheduleWrite(core: LogCore): void {
    if (core.isWriteScheduled) return
    core.isWriteScheduled = true
    if (this.#dirty.push(core) === 1) this.#env.clock.defer(() => this.#writeDirty())
  }

  #writeDirty(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const core of dirty) writeOut(core)
  }

  #scheduleCheckpoint(): void {
    const intervalMs = this.#options.checkpointIntervalMs ?? minuteMs
    this.#timer = this.#env.clock.setTimer(intervalMs, () => {
      this.checkpoint()
        .catch(error => {
          const fields = { directory: this.directory, error: toError(error).message }
          this.#env.logger.warn(fields, 'recovery points could not be saved')
        })
        .finally(() => {
          if (this.#closing === null) this.#scheduleCheckpoint()
        })
    })
  }

  #removeInBackground(path: string): void {
    const { disk, logger } = this.#env
    const removal = disk
      .removeDirectory(path)
      .catch(error => logger.warn({ path, error: toError(error).message }, 'removed partition still takes space'))
      .finally(() => this.#removing.delete(removal))
    this.#removing.add(removal)
  }

  async #close(): Promise<void> {
    this.#timer?.cancel()
    this.#env.space.stop()
    await Promise.allSettled(this.#opening.values())
    const logs = [...this.logs.values()]
    const closed = await Promise.allSettled(logs.map(log => log[Symbol.asyncDispose]()))
    await Promise.allSettled(this.#removing)
    const { disk, syncs, recoveryPoints, files } = this.#env
    files.closeAll()
    const failed = closed.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    await recoveryPoints.save()
    await this.highWatermarks.save()
    if (this.#hasFailed) return
    disk.open(this.#path(fileName.cleanShutdown), { create: true }).close()
    await syncs.run(() => disk.syncDirectory(this.directory))
  }
}

/** Makes the directory and those above it, each name synced. */
async function makeDurableDirectory(disk: Disk, directory: string): Promise<void> {
  if (disk.isDirectory(directory)) return
  const parent = parentDirectory(directory)
  if (parent !== directory) await makeDurableDirectory(disk, parent)
  disk.makeDirectory(directory)
  await disk.syncDirectory(parent)
}

/** Damaged bytes, or a disk that cannot read them: one log goes offline, the others live. */
function isDamage(error: unknown): error is Error {
  return error instanceof CorruptionError || error instanceof StorageError
}
