/**
 * What happens when a write fails for lack of room. Nothing of the failed group was acknowledged, and nothing after it
 * can be: the log goes back to its last good position, durably, and only then are the callers told. A record that was
 * reported as not appended can therefore not come back with a crash.
 */
import type { Offset } from '../util/numbers.ts'
import { diskError, diskFull } from './failures.ts'
import { failLog, type LogCore } from './log-core.ts'
import { holdSyncs, syncLogDirectory, syncLogFile } from './log-syncer.ts'
import type { Segment } from './segment.ts'
import { cutSegment } from './segment-tail.ts'

export function recoverFromFullDisk(core: LogCore): void {
  const fromOffset = core.writtenEndOffset
  const endOffset = core.logEndOffset
  core.blocks++
  core.env.space.noteFull()
  core.pending = []
  core.env.cache.truncate(core.tail, fromOffset)
  core.epochs.truncateFromEnd(fromOffset)
  core.logEndOffset = fromOffset
  core
    .exclusive(() => takeBack(core))
    .then(
      () => onTakenBack(core, fromOffset, endOffset),
      error => failLog(core, diskError(error)),
    )
}

async function takeBack(core: LogCore): Promise<void> {
  const held = await holdSyncs(core)
  try {
    if (core.failure !== null) return
    await removeUnwrittenSegments(core)
    const active = core.activeSegment
    cutSegment(core.env.files, active, active.writtenBytes, core.writtenEndOffset, core.config)
    await syncLogFile(core, active)
    core.generation++
  } finally {
    held.release()
  }
}

function onTakenBack(core: LogCore, fromOffset: Offset, endOffset: Offset): void {
  if (core.failure !== null) return
  const { unsyncedBytes, pendingBytes, config } = core
  core.addPending((config.flushPolicy === 'sync' ? unsyncedBytes : 0) - pendingBytes)
  core.blocks--
  rejectWaiters(core, fromOffset)
  core.notifyAppendFailure({ fromOffset, endOffset, error: diskFull() })
}

/** Segments begun for the lost appends. Their names must be gone before their offsets are given out again. */
async function removeUnwrittenSegments(core: LogCore): Promise<void> {
  while (core.segments.length > 1 && core.activeSegment.writtenBytes === 0) {
    const segment = core.segments.pop() as Segment
    for (const path of segment.paths) {
      core.env.files.forget(path)
      await core.env.disk.removeFile(path)
    }
    core.directoryVersion++
  }
  await syncLogDirectory(core)
}

function rejectWaiters(core: LogCore, fromOffset: Offset): void {
  core.flushTarget = Math.min(core.flushTarget, fromOffset)
  const lost = core.flushWaiters.filter(waiter => waiter.endOffset > fromOffset)
  core.flushWaiters = core.flushWaiters.filter(waiter => waiter.endOffset <= fromOffset)
  for (const waiter of lost) waiter.reject(diskFull())
}
