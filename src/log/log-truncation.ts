/**
 * Removing the end of a log: what a follower does where it differs from its leader. Crash order: first the recovery
 * point is lowered, so that a shorter log is no surprise; then whole segments go, newest first and one by one, so that
 * what is left is always a log without holes; then the file that is left is cut.
 */
import { assertAtMost } from '../util/assert.ts'
import type { Offset } from '../util/numbers.ts'
import { closed, diskError, storageFailure } from './failures.ts'
import { saveEpochs, syncIndexes } from './log-checkpoint.ts'
import { failLog, type LogCore } from './log-core.ts'
import { removeRenamed, renameAway } from './log-deletion.ts'
import { holdSyncs, syncLogDirectory, syncLogFile } from './log-syncer.ts'
import { createFiles, writeOut } from './log-writer.ts'
import { Segment } from './segment.ts'
import { cutSegment, withSoundIndexes } from './segment-tail.ts'

/** See `PartitionLog.truncateTo`. */
export function truncateTo(core: LogCore, offset: Offset, reason: string): Promise<void> {
  return core.exclusive(async () => {
    if (core.failure !== null) throw storageFailure(core.failure)
    if (core.isClosed) throw closed()
    assertAtMost(core.logStartOffset, offset, 'truncation stays above the log start')
    if (offset >= core.logEndOffset) return
    const fromOffset = core.logEndOffset
    core.blocks++
    // What is pending may lie below the cut, so it is written first; the window of unsynced bytes may take several syncs.
    for (writeOut(core); core.pending.length > 0 && core.syncing !== null; ) await core.syncing
    const held = await holdSyncs(core)
    try {
      // A full disk may have taken back more than was to be cut.
      if (offset < core.logEndOffset) await truncate(core, offset)
    } catch (error) {
      failLog(core, diskError(error))
      throw storageFailure(diskError(error))
    } finally {
      core.blocks--
      held.release()
    }
    const { directory, logEndOffset } = core
    core.env.logger.info({ directory, fromOffset, logEndOffset, reason }, 'log truncated')
    core.notifyProgress()
  })
}

async function truncate(core: LogCore, offset: Offset): Promise<void> {
  const { recoveryPoints } = core.env
  if (core.failure !== null) throw core.failure
  const endOffset = batchStart(core, offset)
  if (recoveryPoints.get(core.id) > endOffset) {
    recoveryPoints.set(core.id, endOffset)
    await recoveryPoints.save()
  }
  core.generation++
  if (endOffset < core.logStartOffset) await beginAnew(core, core.logStartOffset)
  else {
    while (core.activeSegment.baseOffset >= offset && core.segments.length > 1) await removeNewestSegment(core)
    await cutActiveSegment(core, offset)
  }
  core.generation++
  await saveEpochs(core)
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
