/**
 * Removing the end of a log, or all of it: what a follower does where it differs from its leader. Crash order: first the recovery
 * point is lowered, so that a shorter log is no surprise; then whole segments go, newest first and one by one, so that
 * what is left is always a log without holes; then the file that is left is cut.
 */
import { assertAtMost, assertCount } from '../util/assert.ts'
import type { Offset } from '../util/numbers.ts'
import { closed, diskError, storageFailure } from './failures.ts'
import { saveEpochs, syncIndexes } from './log-checkpoint.ts'
import { failLog, type LogCore } from './log-core.ts'
import { removeRenamed, renameAway } from './log-deletion.ts'
import { writeLogStart } from './log-files.ts'
import { holdSyncs, syncLogDirectory, syncLogFile } from './log-syncer.ts'
import { createFiles, writeOut } from './log-writer.ts'
import { Segment } from './segment.ts'
import { cutSegment, withSoundIndexes } from './segment-tail.ts'

/** See `PartitionLog.truncateTo`. */
export function truncateTo(core: LogCore, offset: Offset, reason: string): Promise<void> {
  return core.exclusive(async () => {
    checkOpen(core)
    assertAtMost(core.logStartOffset, offset, 'truncation stays above the log start')
    if (offset >= core.logEndOffset) return
    const fromOffset = core.logEndOffset
    // A full disk may have taken back more than was to be cut.
    await standingStill(core, async () => {
      if (offset < core.logEndOffset) await truncate(core, offset)
    })
    const { directory, logEndOffset } = core
    core.env.logger.info({ directory, fromOffset, logEndOffset, reason }, 'log truncated')
    core.notifyProgress()
  })
}

/** See `PartitionLog.restartAt`. */
export function restartAt(core: LogCore, offset: Offset, reason: string): Promise<void> {
  return core.exclusive(async () => {
    checkOpen(core)
    assertCount(offset, 'restartAt')
    const { directory, logStartOffset, logEndOffset } = core
    await standingStill(core, () => restart(core, offset))
    core.env.logger.info({ directory, logStartOffset, logEndOffset, offset, reason }, 'log begun anew')
    core.notifyProgress()
  })
}

function checkOpen(core: LogCore): void {
  if (core.failure !== null) throw storageFailure(core.failure)
  if (core.isClosed) throw closed()
}

/** Runs `work` while nothing is appended, written or synced. What the disk does to it is the end of the log. */
async function standingStill(core: LogCore, work: () => Promise<void>): Promise<void> {
  core.blocks++
  // What is pending may lie below the cut, so it is written first; the window of unsynced bytes may take several syncs.
  for (writeOut(core); core.pending.length > 0 && core.syncing !== null; ) await core.syncing
  const held = await holdSyncs(core)
  try {
    if (core.failure !== null) throw core.failure
    await work()
  } catch (error) {
    failLog(core, diskError(error))
    throw storageFailure(diskError(error))
  } finally {
    core.blocks--
    held.release()
  }
}

async function truncate(core: LogCore, offset: Offset): Promise<void> {
  const endOffset = batchStart(core, offset)
  await lowerRecoveryPoint(core, endOffset)
  core.generation++
  if (endOffset < core.logStartOffset) await beginAnew(core, core.logStartOffset)
  else {
    while (core.activeSegment.baseOffset >= offset && core.segments.length > 1) await removeNewestSegment(core)
    await cutActiveSegment(core, offset)
  }
  core.generation++
  await saveEpochs(core)
}

/**
 * At every step what a crash leaves is a log without holes: what is left of the old one, then an empty one at its start,
 * then one at the new start.
 */
async function restart(core: LogCore, offset: Offset): Promise<void> {
  const { disk, syncs } = core.env
  await lowerRecoveryPoint(core, Math.min(core.logStartOffset, offset))
  core.generation++
  while (core.segments.length > 0) await removeNewestSegment(core)
  core.epochs.truncateFromEnd(0)
  // Before the start moves: an epoch left behind would claim the first record that comes.
  await saveEpochs(core)
  await writeLogStart(disk, syncs, core.directory, offset)
  core.logStartOffset = offset
  await beginAnew(core, offset)
  core.generation++
}

async function lowerRecoveryPoint(core: LogCore, offset: Offset): Promise<void> {
  const { recoveryPoints } = core.env
  if (recoveryPoints.get(core.id) <= offset) return
  recoveryPoints.set(core.id, offset)
  await recoveryPoints.save()
}

/** Where the batch that contains `offset` begins: it goes whole. */
function batchStart(core: LogCore, offset: Offset): Offset {
  const segment = core.segmentFor(offset)
  if (segment === null || !segment.isCreated) return offset
  return withSoundIndexes(core, segment, () => segment.locate(offset))?.header.baseOffset ?? offset
}

/** Nothing is left, and the log start lies inside the batch that went: the log goes on from there, empty. */
async function beginAnew(core: LogCore, offset: Offset): Promise<void> {
  while (core.segments.length > 0) await removeNewestSegment(core)
  const segment = new Segment(core.env.files, core.directory, offset, null)
  createFiles(core, segment)
  await syncLogDirectory(core)
  core.segments = [segment]
  setEnds(core, offset)
  core.flushedEndOffset = core.durableEndOffset = offset
  core.unsyncedBytes = 0
  core.addPending(-core.pendingBytes)
}

async function removeNewestSegment(core: LogCore): Promise<void> {
  const segment = core.segments.pop() as Segment
  setEnds(core, segment.baseOffset)
  if (!segment.isCreated) return
  renameAway(core, segment)
  await syncLogDirectory(core)
  await removeRenamed(core, segment)
}

async function cutActiveSegment(core: LogCore, offset: Offset): Promise<void> {
  const { files } = core.env
  const segment = core.activeSegment
  const first = withSoundIndexes(core, segment, () => segment.locate(offset))
  const position = first?.position ?? segment.writtenBytes
  const endOffset = first?.header.baseOffset ?? core.writtenEndOffset
  cutSegment(files, segment, position, endOffset, core.config)
  await syncLogFile(core, segment)
  await syncIndexes(core, segment)
  setEnds(core, endOffset)
  core.flushedEndOffset = endOffset
  core.unsyncedBytes = 0
  core.addPending(-core.pendingBytes)
}

/** Nobody finds what is above any more, though it may still be in a file. */
function setEnds(core: LogCore, endOffset: Offset): void {
  core.epochs.truncateFromEnd(endOffset)
  core.env.cache.truncate(core.tail, endOffset)
  core.logEndOffset = core.writtenEndOffset = endOffset
  core.flushedEndOffset = Math.min(core.flushedEndOffset, endOffset)
  core.durableEndOffset = Math.min(core.durableEndOffset, endOffset)
  core.flushTarget = Math.min(core.flushTarget, endOffset)
}
