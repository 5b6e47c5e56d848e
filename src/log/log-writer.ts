/**
 * From `append` to the page cache. An append is given its offsets and kept as it came; at the end of the turn all that
 * a log has received goes out in one gathered write.
 */
import { type BatchHeader, batchHeaderBytes, patchBatch, readBatchHeader } from '../protocol/batch/header.ts'
import { stampLogAppendTime } from '../protocol/batch/stamp.ts'
import { assert, assertAtMost } from '../util/assert.ts'
import { type LeaderEpoch, toLeaderEpoch } from '../util/numbers.ts'
import { closed, diskError, diskFull, isNoSpace, storageFailure } from './failures.ts'
import { recoverFromFullDisk } from './full-disk.ts'
import { failLog, type LogCore, type PendingAppend } from './log-core.ts'
import { requestSync } from './log-syncer.ts'
import { Segment } from './segment.ts'
import type { AppendResult } from './types.ts'

/** See `PartitionLog.append`. */
export function append(core: LogCore, batches: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult {
  checkWritable(core)
  const baseOffset = core.logEndOffset
  const logAppendTimeMs = core.config.timestampType === 'log-append' ? core.env.clock.wallClockMs() : -1
  takeAll(core, batches, at => {
    if (logAppendTimeMs >= 0) stampLogAppendTime(batches, at, logAppendTimeMs)
    patchBatch(batches, at, core.logEndOffset, leaderEpoch)
  })
  return { baseOffset, endOffset: core.logEndOffset, logAppendTimeMs }
}

/** See `PartitionLog.appendReplicated`. */
export function appendReplicated(core: LogCore, batches: Uint8Array): void {
  checkWritable(core)
  // An empty log remembers the epoch in which retention took its last record; the records that come now say their own.
  if (core.logEndOffset === core.logStartOffset) core.epochs.truncateFromEnd(core.logEndOffset)
  takeAll(core, batches, null)
}

function checkWritable(core: LogCore): void {
  if (core.failure !== null) throw storageFailure(core.failure)
  if (core.isClosed) throw closed()
  if (core.blocks > 0 || core.env.space.isLow) throw diskFull()
}

/** `prepare` writes into the batch at a position what only the appender knows, before it is looked at. */
function takeAll(core: LogCore, batches: Uint8Array, prepare: ((at: number) => void) | null): void {
  const baseOffset = core.logEndOffset
  let pendingFrom = 0
  let at = 0
  while (at < batches.length) {
    assertAtMost(at + batchHeaderBytes, batches.length, 'an appended batch is whole')
    prepare?.(at)
    const header = readBatchHeader(batches, at)
    assert(header.sizeBytes >= batchHeaderBytes && header.lastOffsetDelta >= 0, 'an appended batch was validated')
    assert(header.baseOffset === core.logEndOffset, 'an appended batch continues the log')
    if (core.activeSegment.mustRollBefore(header, core.config)) {
      addPending(core, batches.subarray(pendingFrom, at))
      pendingFrom = at
      roll(core)
    }
    take(core, header)
    at += header.sizeBytes
  }
  assert(at === batches.length, 'appended batches fill their buffer')
  addPending(core, batches.subarray(pendingFrom, at))
  core.env.cache.add(core.tail, baseOffset, core.logEndOffset, batches)
  core.env.counters.bytesAppended += batches.length
  core.env.scheduleWrite(core)
}

/** Begins a new active segment at the log end. Its files appear with the first write. */
export function roll(core: LogCore): void {
  core.segments.push(new Segment(core.env.files, core.directory, core.logEndOffset, null))
}

/** Creates the files of a segment; their names become durable with the next directory sync. */
export function createFiles(core: LogCore, segment: Segment): void {
  core.directoryVersion++
  for (const path of segment.paths) core.env.files.use(path, { create: true })
  segment.isCreated = true
}

/** Writes what is pending, as far as the window of unsynced bytes allows. Failures end up in the log's state. */
export function writeOut(core: LogCore): void {
  core.isWriteScheduled = false
  if (core.failure !== null || core.pending.length === 0) return
  try {
    while (core.pending.length > 0) {
      const run = takeRun(core)
      if (run.length === 0) break
      writeRun(core, run)
    }
  } catch (error) {
    if (isNoSpace(error)) recoverFromFullDisk(core)
    else failLog(core, diskError(error))
    return
  }
  onWritten(core)
}

function take(core: LogCore, header: BatchHeader): void {
  core.epochs.assign(toLeaderEpoch(header.leaderEpoch), header.baseOffset)
  core.activeSegment.note(header, core.config)
  core.logEndOffset = header.baseOffset + header.lastOffsetDelta + 1
}

function addPending(core: LogCore, bytes: Uint8Array): void {
  if (bytes.length === 0) return
  core.pending.push({ segment: core.activeSegment, bytes, endOffset: core.logEndOffset })
  core.addPending(bytes.length)
}

/** The pending appends that may go out in one write: those of one segment that fit the window. At least one if nothing is unsynced. */
function takeRun(core: LogCore): PendingAppend[] {
  const { pending } = core
  const { segment } = pending[0]!
  const isBounded = core.config.flushPolicy === 'sync'
  let roomBytes = core.env.unsyncedBytesMax - core.unsyncedBytes
  let count = 0
  while (count < pending.length && pending[count]!.segment === segment) {
    roomBytes -= pending[count]!.bytes.length
    const mayExceed = count === 0 && core.unsyncedBytes === 0
    if (isBounded && roomBytes < 0 && !mayExceed) break
    count++
  }
  if (count === pending.length) {
    core.pending = []
    return pending
  }
  return pending.splice(0, count)
}

function writeRun(core: LogCore, run: readonly PendingAppend[]): void {
  const { segment } = run[0]!
  if (!segment.isCreated) {
    const previous = core.segments[core.segments.indexOf(segment) - 1]
    if (previous !== undefined) seal(previous)
    createFiles(core, segment)
  }
  let sizeBytes = 0
  const buffers: Uint8Array[] = []
  for (const { bytes } of run) {
    sizeBytes += bytes.length
    buffers.push(bytes)
  }
  core.env.files.use(segment.logPath).write(buffers, segment.writtenBytes)
  segment.writtenBytes += sizeBytes
  assertAtMost(segment.writtenBytes, segment.appendedBytes, 'writtenBytes <= appendedBytes')
  core.unsyncedBytes += sizeBytes
  core.writtenEndOffset = run.at(-1)!.endOffset
  core.env.counters.writes++
  core.env.space.noteWritten(sizeBytes)
  if (segment.offsetIndex.shouldSpill) spillIndexes(segment)
}

/** The last time index entry of a segment is its largest timestamp, as in Kafka; then nothing changes in it any more. */
export function seal(segment: Segment): void {
  if (segment.isSealed) return
  segment.loadLargest()
  segment.noteTimestamp()
  segment.offsetIndex.spill()
  segment.timeIndex.spill()
  segment.isSealed = true
}

/** An index can wait: without room for it, its entries stay in memory and the log goes on. */
function spillIndexes(segment: Segment): void {
  try {
    segment.offsetIndex.spill()
    segment.timeIndex.spill()
  } catch (error) {
    if (!isNoSpace(error)) throw error
  }
}

function onWritten(core: LogCore): void {
  if (core.config.flushPolicy === 'os') {
    const active = core.activeSegment
    // A segment is flushed once it is complete, so that a crash costs a scan of the newest one only.
    if (active.baseOffset > core.flushTarget && core.segments.length > 1) core.flushTarget = active.baseOffset
    core.addPending(-core.pendingBytes)
    core.durableEndOffset = core.writtenEndOffset
    core.notifyProgress()
  }
  requestSync(core)
}
