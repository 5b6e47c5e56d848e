/**
 * Opening a log: from what is on the disk to a `LogCore`. After a clean stop the files are believed as far as they agree
 * with the checkpoint; otherwise everything from the recovery point on is read and checked (recovery-scan.ts).
 *
 * Running it again on its own result changes nothing.
 */
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { recoverEpochs } from './epoch-recovery.ts'
import type { LogCore } from './log-core.ts'
import { removeSegment } from './log-deletion.ts'
import { readLogStart } from './log-files.ts'
import { syncLogDirectory, syncLogFile } from './log-syncer.ts'
import { createFiles } from './log-writer.ts'
import { segmentBaseOffset, suffix } from './paths.ts'
import { type Findings, hasSoundIndexSize, rebuildIndexes, resumeSegment, scanLog } from './recovery-scan.ts'
import { Segment } from './segment.ts'

/** Fills `core` from its directory. A `CorruptionError` names what no crash explains. */
export async function recoverLog(core: LogCore, wasClean: boolean): Promise<void> {
  const { clock, disk, logger, recoveryPoints } = core.env
  const startedMs = clock.nowMs()
  const findings: Findings = { segmentsScanned: 0, cuts: [], indexesRebuilt: [], epochs: [] }
  const recoveryPoint = recoveryPoints.get(core.id)
  core.logStartOffset = readLogStart(disk, core.directory)
  await removeLeftovers(core)
  await openSegments(core, recoveryPoint)
  const isUntouched = wasClean && opensAt(core, findings, recoveryPoint)
  if (!isUntouched) await scanLog(core, findings, recoveryPoint)
  recoverEpochs(core, findings.epochs, isUntouched ? core.logEndOffset : recoveryPoint)
  await settle(core, isUntouched)
  const { segmentsScanned, cuts, indexesRebuilt } = findings
  core.recovery = { wasClean: isUntouched, segmentsScanned, cuts, indexesRebuilt, tookMs: clock.nowMs() - startedMs }
  if (cuts.length > 0) logger.warn({ directory: core.directory, ...core.recovery }, 'recovery cut a torn tail')
}

/** What deletions and replacements left half done: none of these names is part of the log. */
async function removeLeftovers(core: LogCore): Promise<void> {
  const { disk } = core.env
  const names = disk.list(core.directory)
  const known = new Set(names)
  for (const name of names) {
    const isIndex = name.endsWith(suffix.index) || name.endsWith(suffix.timeIndex)
    const isOrphan = isIndex && !known.has(name.replace(/\.\w+$/, suffix.log))
    if (isOrphan || name.endsWith(suffix.deleted) || name.endsWith(suffix.temporary)) {
      await disk.removeFile(`${core.directory}/${name}`)
    }
  }
}

async function openSegments(core: LogCore, recoveryPoint: Offset): Promise<void> {
  const { disk, files } = core.env
  const bases = disk.list(core.directory).map(name => segmentBaseOffset(name, suffix.log))
  core.segments = bases.filter(base => base !== null).map(base => new Segment(files, core.directory, base, disk))
  await removeStraySegments(core)
  while (core.segments.length > 1 && core.segments[1]!.baseOffset <= core.logStartOffset) {
    await removeSegment(core, core.segments.shift()!)
  }
  const first = core.segments[0]
  if (first === undefined) {
    if (recoveryPoint > core.logStartOffset) {
      throw new CorruptionError(core.directory, `no segments, though records up to ${recoveryPoint} were on disk`)
    }
    core.segments = [new Segment(files, core.directory, core.logStartOffset, null)]
  } else if (first.baseOffset > core.logStartOffset) {
    throw new CorruptionError(first.logPath, `records from ${core.logStartOffset} on are missing before it`)
  }
}

/** A segment without a byte is left from a roll that a crash or a full disk undid. The first one may stay. */
async function removeStraySegments(core: LogCore): Promise<void> {
  const [first, ...others] = core.segments
  for (const segment of others) if (segment.writtenBytes === 0) await removeSegment(core, segment)
  core.segments = core.segments.filter(segment => segment === first || segment.writtenBytes > 0)
}

/** After a clean stop: true if the log ends where it was left, so that nothing needs to be scanned. */
function opensAt(core: LogCore, findings: Findings, recoveryPoint: Offset): boolean {
  try {
    core.logEndOffset = resumeSegment(core, core.activeSegment, findings, Number.MAX_SAFE_INTEGER)
  } catch (error) {
    if (error instanceof CorruptionError) return false
    throw error
  }
  if (core.logEndOffset !== recoveryPoint) return false
  for (const segment of core.segments.slice(0, -1)) {
    segment.isSealed = true
    if (!hasSoundIndexSize(core, segment)) rebuildIndexes(core, segment, findings)
  }
  for (const segment of core.segments) segment.syncedBytes = segment.writtenBytes
  return true
}

/** What was read from the page cache may not be on the disk yet; nothing may be promised before it is. */
async function settle(core: LogCore, isUntouched: boolean): Promise<void> {
  const active = core.activeSegment
  const isWhole = active.isCreated && active.paths.every(path => core.env.disk.exists(path))
  if (!isWhole) createFiles(core, active)
  // Names may be as little on disk as bytes, also those of a log that is empty: its first records will rely on them.
  else if (!isUntouched) core.directoryVersion++
  for (const segment of core.segments) {
    segment.appendedBytes = segment.writtenBytes
    if (segment.syncedBytes < segment.writtenBytes) await syncLogFile(core, segment)
  }
  await syncLogDirectory(core)
  core.writtenEndOffset = core.flushedEndOffset = core.durableEndOffset = core.logEndOffset
}
