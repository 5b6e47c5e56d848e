/**
 * Moving the recovery point of one log: everything that is not synced on the way to an acknowledgement (indexes of
 * complete segments, the epoch history) must be on disk before the point passes it.
 */
import { replaceFile } from './atomic-file.ts'
import { formatEpochs } from './epoch-history.ts'
import { diskError, isNoSpace, toError } from './failures.ts'
import { failLog, type LogCore } from './log-core.ts'
import { fileName } from './paths.ts'
import type { Segment } from './segment.ts'

/** Notes the new recovery point; the caller saves the points of all logs at once. A full disk only postpones it. */
export function advanceRecoveryPoint(core: LogCore): Promise<void> {
  return core.exclusive(async () => {
    const { flushedEndOffset } = core
    const { recoveryPoints, logger } = core.env
    if (core.failure !== null || core.isClosed) return
    try {
      for (const segment of core.segments) {
        if (core.endOf(segment) <= flushedEndOffset && segment.isSealed) await syncIndexes(core, segment)
      }
      await saveEpochs(core)
      recoveryPoints.set(core.id, flushedEndOffset)
    } catch (error) {
      if (!isNoSpace(error)) return failLog(core, diskError(error))
      logger.warn({ directory: core.directory, error: toError(error).message }, 'checkpoint postponed')
    }
  })
}

/** Makes both index files of a segment durable as they are. */
export async function syncIndexes(core: LogCore, segment: Segment): Promise<void> {
  for (const index of [segment.offsetIndex, segment.timeIndex]) {
    index.spill()
    if (!index.isDirty) continue
    index.isDirty = false
    const pinned = core.env.files.pin(index.path)
    try {
      await core.env.syncs.run(() => pinned.file.sync())
    } finally {
      pinned.release()
    }
  }
}

/** Leaves the active segment as Kafka does on closing: the largest timestamp in its index, both indexes on disk. */
export async function closeIndexes(core: LogCore): Promise<void> {
  if (core.failure !== null || !core.activeSegment.isCreated) return
  core.activeSegment.noteTimestamp()
  await syncIndexes(core, core.activeSegment)
}

/** Writes `leader-epoch-checkpoint` if it is out of date. */
export async function saveEpochs(core: LogCore): Promise<void> {
  const { version, entries } = core.epochs
  if (version === core.savedEpochsVersion) return
  const { disk, syncs } = core.env
  await replaceFile(disk, syncs, `${core.directory}/${fileName.epochs}`, formatEpochs(entries))
  core.savedEpochsVersion = version
}
