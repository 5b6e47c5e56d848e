/**
 * Recovery after a crash: checks the links between segments below the recovery point and every batch above it, cuts a
 * torn tail and brings indexes in line. It only removes what a crash can explain; for anything else it throws a
 * `CorruptionError`, and the bytes stay as they are.
 */
import { endOffsetOf } from '../protocol/batch/header.ts'
import { CorruptionError } from '../util/errors.ts'
import { type Offset, toLeaderEpoch } from '../util/numbers.ts'
import { examineDamage } from './damage.ts'
import type { EpochEntry } from './epoch-history.ts'
import type { LogCore } from './log-core.ts'
import { removeRenamed, removeSegment, renameAway } from './log-deletion.ts'
import { syncLogDirectory, syncLogFile } from './log-syncer.ts'
import { seal } from './log-writer.ts'
import { Segment } from './segment.ts'
import { type ScanStep, SegmentScanner } from './segment-scan.ts'
import { rebuildTail, resumeTail } from './segment-tail.ts'
import type { RecoveryCut } from './types.ts'

/** What recovery finds and does, filled in on the way. */
export interface Findings {
  segmentsScanned: number
  readonly cuts: RecoveryCut[]
  readonly indexesRebuilt: string[]
  /** Epochs of the scanned batches. */
  readonly epochs: EpochEntry[]
}

type Damage = Extract<ScanStep, { kind: 'damage' }>

/** Sets the segments and the log end to what is sound. */
export async function scanLog(core: LogCore, findings: Findings, recoveryPoint: Offset): Promise<void> {
  // The segment of the last record known to be on disk: its indexes need not be, when it was the active one.
  const from = core.segmentFor(Math.max(recoveryPoint - 1, core.segments[0]!.baseOffset))!
  for (let at = 0; at < core.segments.length; at++) {
    const segment = core.segments[at]!
    const isBelow = segment.baseOffset < from.baseOffset
    core.logEndOffset = isBelow
      ? openBelow(core, segment, findings)
      : await scanSegment(core, segment, findings, recoveryPoint)
    const next = core.segments[at + 1]
    if (next !== undefined) await checkLink(core, segment, next, findings, recoveryPoint)
    if (core.segments.at(-1) !== segment) seal(segment)
  }
  if (core.logEndOffset < recoveryPoint) {
    const { logPath } = core.activeSegment
    throw new CorruptionError(logPath, `it ends at offset ${core.logEndOffset}, but ${recoveryPoint} was on disk`)
  }
  if (core.logEndOffset < core.logStartOffset) await restartAt(core, core.logStartOffset)
}

/** Every complete segment has at least its last time index entry, unless its records have no timestamps. */
export function hasSoundIndexSize(core: LogCore, segment: Segment): boolean {
  const { disk } = core.env
  const isSound = (path: string, entryBytes: number): boolean =>
    disk.exists(path) && disk.sizeOf(path) % entryBytes === 0
  const { offsetIndex, timeIndex } = segment
  return isSound(offsetIndex.path, 8) && isSound(timeIndex.path, 12) && timeIndex.entryCount > 0
}

/** Both indexes of a complete segment anew. Returns where it ends. */
export function rebuildIndexes(core: LogCore, segment: Segment, findings: Findings): Offset {
  findings.indexesRebuilt.push(segment.offsetIndex.path)
  const endOffset = rebuildTail(core.env.files, segment, core.config, Number.MAX_SAFE_INTEGER)
  segment.noteTimestamp()
  segment.offsetIndex.spill()
  segment.timeIndex.spill()
  return endOffset
}

/** Walks headers from the last index entry that holds to `untilOffset`; rebuilds both indexes if they do not hold. */
export function resumeSegment(core: LogCore, segment: Segment, findings: Findings, untilOffset: Offset): Offset {
  const { files } = core.env
  if (!segment.isCreated) return segment.baseOffset
  try {
    return resumeTail(files, segment, core.config, untilOffset)
  } catch (error) {
    if (!(error instanceof CorruptionError) || error.where.startsWith(segment.logPath)) throw error
    findings.indexesRebuilt.push(segment.offsetIndex.path)
    return rebuildTail(files, segment, core.config, untilOffset)
  }
}

function openBelow(core: LogCore, segment: Segment, findings: Findings): Offset {
  segment.syncedBytes = segment.writtenBytes
  if (!hasSoundIndexSize(core, segment)) return rebuildIndexes(core, segment, findings)
  return resumeSegment(core, segment, findings, Number.MAX_SAFE_INTEGER)
}

async function scanSegment(core: LogCore, segment: Segment, findings: Findings, recoveryPoint: Offset) {
  if (!segment.isCreated) return segment.baseOffset
  trimIndexes(segment, recoveryPoint)
  let endOffset = resumeSegment(core, segment, findings, recoveryPoint)
  findings.segmentsScanned++
  const pinned = core.env.files.pin(segment.logPath)
  try {
    const latestEpoch = findings.epochs.at(-1)?.epoch ?? -1
    const scanner = new SegmentScanner(pinned.file, segment.writtenBytes, segment.appendedBytes, endOffset, latestEpoch)
    for (;;) {
      const step = await scanner.next()
      if (step.kind === 'damage') await settleDamage(core, segment, findings, recoveryPoint, step)
      if (step.kind !== 'batch') return endOffset
      const { header } = step
      segment.note(header, core.config)
      endOffset = endOffsetOf(header)
      const epoch = toLeaderEpoch(header.leaderEpoch)
      if (findings.epochs.at(-1)?.epoch !== epoch) findings.epochs.push({ epoch, startOffset: header.baseOffset })
    }
  } finally {
    pinned.release()
  }
}

/**
 * Keeps of indexes that were not synced what can be right, below the recovery point. Since an entry may be missing from
 * either, the last time entry decides from where batches are counted again.
 */
function trimIndexes(segment: Segment, recoveryPoint: Offset): void {
  const { offsetIndex, timeIndex } = segment
  offsetIndex.isDirty = timeIndex.isDirty = true
  offsetIndex.truncate(offsetIndex.soundPrefix(segment.writtenBytes))
  timeIndex.truncate(timeIndex.soundPrefix(Math.max(0, recoveryPoint - segment.baseOffset)))
  const lastTime = timeIndex.lastEntry
  offsetIndex.truncate(lastTime === null ? 0 : offsetIndex.floor(lastTime.value) + 1)
}

async function checkLink(
  core: LogCore,
  segment: Segment,
  next: Segment,
  findings: Findings,
  recoveryPoint: Offset,
): Promise<void> {
  const endOffset = core.logEndOffset
  if (next.baseOffset === endOffset) return
  if (next.baseOffset < endOffset) {
    throw new CorruptionError(next.logPath, `it begins inside the segment before it, which ends at ${endOffset}`)
  }
  await settleDamage(core, segment, findings, recoveryPoint, {
    kind: 'damage',
    position: segment.writtenBytes,
    expectedOffset: endOffset,
    reason: `offsets ${endOffset} to ${next.baseOffset} are missing`,
    isIncomplete: true,
  })
}

/** Cuts what a crash explains; throws for the rest. */
async function settleDamage(
  core: LogCore,
  segment: Segment,
  findings: Findings,
  recoveryPoint: Offset,
  damage: Damage,
): Promise<void> {
  const { position, expectedOffset, reason } = damage
  const { env, config, segments } = core
  const where = `${segment.logPath} at byte ${position}`
  if (expectedOffset < recoveryPoint) throw new CorruptionError(where, `${reason}; it was known to be on disk`)
  const { isTorn, nextSoundAt } = await examine(core, segment, damage)
  if (!isTorn) throw new CorruptionError(where, `${reason}; no write cut short explains it`)
  const later = segments.slice(segments.indexOf(segment) + 1)
  const isFollowed = nextSoundAt !== null || later.length > 0
  const spanBytes = later.reduce((sum, each) => sum + each.writtenBytes, segment.writtenBytes - position)
  if (isFollowed && config.flushPolicy === 'sync' && spanBytes > env.unsyncedBytesMax) {
    throw new CorruptionError(where, `${reason}; more follows than can have been unsynced`)
  }
  // Newest first, each for good: a crash on the way leaves a log that is cut again in the same place.
  for (const doomed of later.reverse()) {
    segments.pop()
    renameAway(core, doomed)
    await syncLogDirectory(core)
    await removeRenamed(core, doomed)
    findings.cuts.push({ path: doomed.logPath, fromBytes: 0, toBytes: doomed.writtenBytes, reason: `after ${where}` })
  }
  if (position === segment.writtenBytes) return
  findings.cuts.push({ path: segment.logPath, fromBytes: position, toBytes: segment.writtenBytes, reason })
  env.files.use(segment.logPath).truncate(position)
  segment.writtenBytes = position
  await syncLogFile(core, segment)
}

async function examine(core: LogCore, segment: Segment, damage: Damage) {
  const pinned = core.env.files.pin(segment.logPath)
  try {
    const { position, expectedOffset, isIncomplete } = damage
    return await examineDamage(pinned.file, segment.writtenBytes, position, expectedOffset, isIncomplete)
  } finally {
    pinned.release()
  }
}

/** Records were deleted up to an offset whose predecessors never reached the disk: the log goes on from there, empty. */
async function restartAt(core: LogCore, offset: Offset): Promise<void> {
  for (let segment = core.segments.pop(); segment !== undefined; segment = core.segments.pop()) {
    await removeSegment(core, segment)
  }
  core.segments = [new Segment(core.env.files, core.directory, offset, null)]
  core.logEndOffset = offset
}
