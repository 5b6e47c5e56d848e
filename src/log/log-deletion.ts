/**
 * Removing the beginning of a log: delete-records and retention. First the new start is on disk, then files go: what a
 * crash leaves behind lies below the start and is removed when the log is opened.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { closed, diskError, diskFull, isNoSpace, outOfRange, storageFailure } from './failures.ts'
import { failLog, type LogCore } from './log-core.ts'
import { writeLogStart } from './log-files.ts'
import { flush, holdSyncs, syncLogDirectory } from './log-syncer.ts'
import { createFiles, seal } from './log-writer.ts'
import { suffix } from './paths.ts'
import { Segment } from './segment.ts'
import { withSoundIndexes } from './segment-tail.ts'

export interface Freed {
  readonly segments: number
  readonly bytes: number
}

/** See `PartitionLog.advanceLogStart`. */
export async function advanceLogStart(core: LogCore, offset: Offset): Promise<void> {
  // The start must not outlive the records it was set among. Not inside `exclusive`: a full disk is cleaned up there.
  await flush(core)
  await guarded(core, async () => {
    if (offset > core.logEndOffset) throw outOfRange(offset, core.logStartOffset, core.logEndOffset)
    await moveStart(core, offset)
  })
}

/** See `PartitionLog.applyRetention`. */
export function applyRetention(core: LogCore, wallClockMs: number, endOffset: Offset): Promise<Freed> {
  const { clock, retentionClock } = core.env
  const believedMs = retentionClock.believe(wallClockMs, clock.nowMs())
  return guarded(core, async () => {
    const count = expiredCount(core, believedMs, endOffset)
    if (count === core.segments.length) await beginEmptySegment(core)
    return moveStart(core, core.segments[count]!.baseOffset)
  })
}

/** Segments at the beginning of the log that Kafka would delete; all of them only when nothing is pending. */
function expiredCount(core: LogCore, nowMs: number, endOffset: Offset): number {
  const { retentionMs, retentionBytes } = core.config
  const { segments } = core
  let excessBytes = retentionBytes < 0 ? Number.NEGATIVE_INFINITY : sizeOf(segments) - retentionBytes
  let count = 0
  for (const segment of segments) {
    if (core.endOf(segment) > endOffset || segment.appendedBytes === 0) break
    const { timestamp } = withSoundIndexes(core, segment, () => segment.loadLargest())
    // A record without a timestamp has no age: only the size limit removes it.
    const isExpired = retentionMs >= 0 && timestamp >= 0 && nowMs - timestamp > retentionMs
    const isExcess = excessBytes >= segment.appendedBytes
    if (!isExpired && !isExcess) break
    excessBytes -= segment.appendedBytes
    count++
  }
  return count === segments.length && core.pending.length > 0 ? count - 1 : count
}

/** Rolls at once, files and all, so that the segment before may go. */
async function beginEmptySegment(core: LogCore): Promise<void> {
  seal(core.activeSegment)
  const segment = new Segment(core.env.files, core.directory, core.logEndOffset, null)
  try {
    createFiles(core, segment)
  } catch (error) {
    for (const path of segment.paths) core.env.files.forget(path)
    for (const path of segment.paths) await core.env.disk.removeFile(path)
    throw error
  }
  core.segments.push(segment)
  await syncLogDirectory(core)
}

async function moveStart(core: LogCore, offset: Offset): Promise<Freed> {
  const { disk, syncs } = core.env
  if (offset > core.logStartOffset) {
    await writeLogStart(disk, syncs, core.directory, offset)
    core.logStartOffset = offset
    core.epochs.truncateFromStart(offset)
  }
  // One of them may have been spared before because it was the active one.
  if (countBelow(core.segments, core.logStartOffset) === 0) return { segments: 0, bytes: 0 }
  // A sync under way may be about to open one of the files.
  const held = await holdSyncs(core)
  const doomed = core.segments.splice(0, countBelow(core.segments, core.logStartOffset))
  for (const segment of doomed) renameAway(core, segment)
  held.release()
  core.generation++
  await syncLogDirectory(core)
  for (const segment of doomed) await removeRenamed(core, segment)
  return { segments: doomed.length, bytes: sizeOf(doomed) }
}

/** How many segments lie wholly below `offset`; never counts the active one. */
function countBelow(segments: readonly Segment[], offset: Offset): number {
  let count = 0
  while (count + 1 < segments.length && segments[count + 1]!.baseOffset <= offset) count++
  return count
}

/** Readers that hold the files go on reading; nobody else finds them any more. */
export function renameAway(core: LogCore, segment: Segment): void {
  const { files, disk } = core.env
  core.directoryVersion++
  for (const path of segment.paths) {
    files.forget(path)
    if (disk.exists(path)) disk.rename(path, path + suffix.deleted)
  }
}

export async function removeRenamed(core: LogCore, segment: Segment): Promise<void> {
  for (const path of segment.paths) await core.env.disk.removeFile(path + suffix.deleted)
}

export async function removeSegment(core: LogCore, segment: Segment): Promise<void> {
  renameAway(core, segment)
  await removeRenamed(core, segment)
}

export function sizeOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.appendedBytes, 0)
}

/** A full disk is the caller's news; any other failure is the end of the log. */
function guarded<T>(core: LogCore, work: () => Promise<T>): Promise<T> {
  return core.exclusive(async () => {
    if (core.failure !== null) throw storageFailure(core.failure)
    if (core.isClosed) throw closed()
    try {
      return await work()
    } catch (thrown) {
      if (thrown instanceof ApiError) throw thrown
      if (isNoSpace(thrown)) throw diskFull()
      const error = diskError(thrown)
      failLog(core, error)
      throw storageFailure(error)
    }
  })
}
