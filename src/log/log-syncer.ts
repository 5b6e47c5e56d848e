/**
 * From the page cache to the disk: group commit. One sync of a log is under way at a time; what was written meanwhile is
 * covered by the next. Under `os` the same machinery serves `flush` and completed segments.
 */
import { assertAtMost } from '../util/assert.ts'
import type { Offset } from '../util/numbers.ts'
import { diskError, storageFailure } from './failures.ts'
import { failLog, type LogCore } from './log-core.ts'
import { writeOut } from './log-writer.ts'
import type { Segment } from './segment.ts'

/** Starts syncing if something should be and nothing is under way. */
export function requestSync(core: LogCore): void {
  if (core.syncing !== null || !isSyncDue(core)) return
  core.syncing = syncWhileDue(core).finally(() => {
    core.syncing = null
    // A request that came between the last look and now.
    requestSync(core)
  })
}

/** Resolves when no sync is under way; none begins until `release`. */
export async function holdSyncs(core: LogCore): Promise<{ release: () => void }> {
  core.syncHolds++
  while (core.syncing !== null) await core.syncing
  return {
    release: () => {
      core.syncHolds--
      requestSync(core)
    },
  }
}

/** See `PartitionLog.flush`. */
export function flush(core: LogCore): Promise<void> {
  // Before writing: a full disk may take back what this flush is about, and then it must fail.
  const endOffset = core.logEndOffset
  writeOut(core)
  if (core.failure !== null) return Promise.reject(storageFailure(core.failure))
  if (core.flushedEndOffset >= endOffset) return Promise.resolve()
  core.flushTarget = Math.max(core.flushTarget, endOffset)
  const flushed = new Promise<void>((resolve, reject) => core.flushWaiters.push({ endOffset, resolve, reject }))
  requestSync(core)
  return flushed
}

function isSyncDue(core: LogCore): boolean {
  if (core.failure !== null || core.syncHolds > 0) return false
  if (core.writtenEndOffset === core.flushedEndOffset) return false
  return core.config.flushPolicy === 'sync' || core.flushTarget > core.flushedEndOffset
}

async function syncWhileDue(core: LogCore): Promise<void> {
  // Between two syncs too: an error of writing back must reach the handle that wrote.
  const newest = core.segments.findLast(segment => segment.isCreated)
  const pinned = newest === undefined ? null : core.env.files.pin(newest.logPath)
  try {
    while (isSyncDue(core)) {
      await syncOnce(core)
      if (core.failure !== null) return
      // What had to wait for the window of unsynced bytes.
      if (core.pending.length > 0) writeOut(core)
    }
  } catch (error) {
    failLog(core, diskError(error))
  } finally {
    pinned?.release()
  }
}

/**
 * Everything written up to now: each file in the order of offsets, then the directory if names are new. A record is
 * promised only when all of it is done, so a crash half way is a crash before.
 */
async function syncOnce(core: LogCore): Promise<void> {
  const endOffset = core.writtenEndOffset
  const coveredBytes = core.unsyncedBytes
  for (const segment of unsyncedSegments(core)) await syncLogFile(core, segment)
  await syncLogDirectory(core)
  if (core.failure === null) onFlushed(core, endOffset, coveredBytes)
}

/** Makes the written bytes of one segment's log file durable. */
export async function syncLogFile(core: LogCore, segment: Segment): Promise<void> {
  const sizeBytes = segment.writtenBytes
  const pinned = core.env.files.pin(segment.logPath)
  try {
    await core.env.syncs.run(() => pinned.file.sync())
  } finally {
    pinned.release()
  }
  segment.syncedBytes = Math.max(segment.syncedBytes, sizeBytes)
}

/** Makes the names in the log's directory durable, if any is new. */
export async function syncLogDirectory(core: LogCore): Promise<void> {
  const version = core.directoryVersion
  if (version === core.syncedDirectoryVersion) return
  await core.env.syncs.run(() => core.env.disk.syncDirectory(core.directory))
  core.syncedDirectoryVersion = Math.max(core.syncedDirectoryVersion, version)
}

function unsyncedSegments(core: LogCore): Segment[] {
  const found: Segment[] = []
  for (let at = core.segments.length - 1; at >= 0; at--) {
    const segment = core.segments[at]!
    if (segment.syncedBytes < segment.writtenBytes) found.unshift(segment)
    else if (segment.writtenBytes > 0) break
  }
  return found
}

function onFlushed(core: LogCore, endOffset: Offset, coveredBytes: number): void {
  assertAtMost(core.flushedEndOffset, endOffset, 'flushedEndOffset rises')
  core.flushedEndOffset = endOffset
  core.unsyncedBytes -= coveredBytes
  if (core.config.flushPolicy === 'sync') {
    core.addPending(-Math.min(coveredBytes, core.pendingBytes))
    core.durableEndOffset = Math.max(core.durableEndOffset, endOffset)
  }
  while (core.flushWaiters[0] !== undefined && core.flushWaiters[0].endOffset <= endOffset) {
    core.flushWaiters.shift()!.resolve()
  }
  core.notifyProgress()
}
