/**
 * The state of one log, shared by the files that each do one thing to it (log-writer, log-syncer, log-reader, …).
 *
 *     logStartOffset ≤ flushedEndOffset ≤ writtenEndOffset ≤ logEndOffset
 *
 * Appended bytes wait in `pending` until the end of the turn. Everything that must not overlap (truncation, deletion,
 * cleaning up after a full disk, closing) runs in `exclusive`.
 */

import type { Codecs } from '../protocol/batch/types.ts'
import { assert } from '../util/assert.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { LeaderEpoch, Offset } from '../util/numbers.ts'
import type { Disk } from './disk.ts'
import { EpochHistory } from './epoch-history.ts'
import { storageFailure } from './failures.ts'
import type { ReadEnd } from './file-chunk.ts'
import type { FilePool } from './file-pool.ts'
import type { OffsetCheckpoint } from './offset-checkpoint.ts'
import type { ReadAhead } from './read-ahead.ts'
import type { RetentionClock } from './retention-clock.ts'
import type { Segment } from './segment.ts'
import type { SpaceWatch } from './space-watch.ts'
import type { SyncScheduler } from './sync-scheduler.ts'
import { LogTail, type TailCache } from './tail-cache.ts'
import type { AppendFailure, LogConfig, RecoveryReport, TopicPartition } from './types.ts'

/** What all logs of a data directory share. */
export interface LogEnvironment {
  readonly disk: Disk
  readonly clock: Clock
  readonly codecs: Codecs
  readonly logger: Logger
  readonly files: FilePool
  readonly syncs: SyncScheduler
  readonly cache: TailCache
  readonly ahead: ReadAhead
  readonly space: SpaceWatch
  readonly recoveryPoints: OffsetCheckpoint
  readonly retentionClock: RetentionClock
  readonly counters: LogCounters
  /**
   * Under `sync`, a log writes at most so much beyond what is synced; the rest waits in memory. It bounds what a crash
   * may leave in disorder, so that recovery can tell a lost write from a hole in synced data.
   */
  readonly unsyncedBytesMax: number
  /** Has `writeOut` called for this log at the end of the turn. */
  scheduleWrite(core: LogCore): void
}

export interface LogCounters {
  bytesAppended: number
  writes: number
  pendingBytes: number
}

export interface PendingAppend {
  readonly segment: Segment
  /** Whole batches; all in one segment. */
  readonly bytes: Uint8Array
  readonly endOffset: Offset
}

export interface FlushWaiter {
  readonly endOffset: Offset
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Starts empty at offset 0; `recoverLog` makes it what the directory says. */
export class LogCore {
  readonly env: LogEnvironment
  readonly id: TopicPartition
  readonly directory: string
  config: LogConfig
  /** Ascending; the last one is active. Never empty once the log is open, unless it failed to open. */
  segments: Segment[] = []
  epochs = new EpochHistory()
  /** `epochs.version` that the checkpoint file holds. */
  savedEpochsVersion = 0
  readonly tail = new LogTail()
  logStartOffset: Offset = 0
  logEndOffset: Offset = 0
  writtenEndOffset: Offset = 0
  flushedEndOffset: Offset = 0
  /** Never moves back, except with a truncation. */
  durableEndOffset: Offset = 0
  pending: PendingAppend[] = []
  /** Appended but not durable by policy. */
  pendingBytes = 0
  /** Written but not synced. */
  unsyncedBytes = 0
  /** Raised when a file of the log is created or renamed; equal when the names are durable. */
  directoryVersion = 0
  syncedDirectoryVersion = 0
  isWriteScheduled = false
  /** Above 0 while a truncation or the cleaning up after a full disk is under way: nothing may be appended. */
  blocks = 0
  isClosed = false
  failure: Error | null = null
  /** Flush at least to here, whatever the policy. */
  flushTarget: Offset = 0
  flushWaiters: FlushWaiter[] = []
  syncing: Promise<void> | null = null
  /** While above 0, no new sync begins. */
  syncHolds = 0
  /** Raised when bytes of the files may have changed under a reader. */
  generation = 0
  /** Of the last few reads of files. */
  readonly readEnds: ReadEnd[] = []
  /** What `startBatchOffset` found last, and of which start of the log that is true. */
  startBatch = { generation: -1, logStartOffset: 0, baseOffset: 0 }
  recovery: RecoveryReport = { wasClean: true, segmentsScanned: 0, cuts: [], indexesRebuilt: [], tookMs: 0 }
  notifyProgress: () => void = () => undefined
  notifyAppendFailure: (failure: AppendFailure) => void = () => undefined
  #exclusive: Promise<unknown> = Promise.resolve()

  constructor(env: LogEnvironment, id: TopicPartition, directory: string, config: LogConfig) {
    this.env = env
    this.id = id
    this.directory = directory
    this.config = config
  }

  get activeSegment(): Segment {
    const segment = this.segments.at(-1)
    assert(segment !== undefined, 'an open log has a segment')
    return segment
  }

  get latestEpoch(): LeaderEpoch | null {
    return this.epochs.latestEpoch
  }

  /** Runs `work` when everything exclusive before it has ended. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(work)
    this.#exclusive = result.catch(() => undefined)
    return result
  }

  addPending(sizeBytes: number): void {
    this.pendingBytes += sizeBytes
    this.env.counters.pendingBytes += sizeBytes
  }

  /** The segment that holds or would hold `offset`: the last one that begins at or below it. */
  segmentFor(offset: Offset): Segment | null {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return this.segments[low - 1] ?? null
  }

  /** First offset after `segment`: the base of the next one, or the end of the log. */
  endOf(segment: Segment): Offset {
    const at = this.segments.indexOf(segment)
    return this.segments[at + 1]?.baseOffset ?? this.logEndOffset
  }
}

/**
 * The disk failed under this log: it takes and serves nothing any more. Nothing is retried, as after a failed sync the
 * kernel may call pages clean that never reached the disk (Rebello et al., ATC 2020).
 */
export function failLog(core: LogCore, error: Error): void {
  if (core.failure !== null) return
  core.failure = error
  core.env.logger.error({ directory: core.directory, error: error.message }, 'log went offline')
  core.pending = []
  core.addPending(-core.pendingBytes)
  core.env.cache.truncate(core.tail, 0)
  const waiters = core.flushWaiters
  core.flushWaiters = []
  for (const waiter of waiters) waiter.reject(storageFailure(error))
  core.notifyProgress()
}
