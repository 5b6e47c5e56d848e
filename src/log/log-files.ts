/**
 * The two small text files of a partition directory that are not derived from its records: `partition.metadata` (which
 * topic id the directory belongs to; Kafka's lines and a CRC line that Kafka's reader ignores) and `log-start-offset`
 * (how far records were deleted). Damage is a `CorruptionError`: neither can be rebuilt.
 */
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { checkedLines, replaceFile, withCrc } from './atomic-file.ts'
import type { Disk } from './disk.ts'
import { fileName } from './paths.ts'
import type { SyncScheduler } from './sync-scheduler.ts'

/** The topic id of a partition directory, or `null` when it has no metadata file. */
export function readTopicId(disk: Disk, directory: string): string | null {
  const path = `${directory}/${fileName.metadata}`
  if (!disk.exists(path)) return null
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]+)$/.exec(linesOf(disk, path))
  if (match === null) throw new CorruptionError(path, 'no version and topic id in it')
  return match[1]!
}

export function writeTopicId(disk: Disk, syncs: SyncScheduler, directory: string, topicId: string): Promise<void> {
  const text = withCrc(`version: 0\ntopic_id: ${topicId}\n`)
  return replaceFile(disk, syncs, `${directory}/${fileName.metadata}`, text)
}

/** How far the records of a partition were deleted; 0 when never. */
export function readLogStart(disk: Disk, directory: string): Offset {
  const path = `${directory}/${fileName.logStart}`
  if (!disk.exists(path)) return 0
  const match = /^version: 0\nlog_start_offset: (\d{1,16})$/.exec(linesOf(disk, path))
  if (match === null) throw new CorruptionError(path, 'no version and offset in it')
  return Number(match[1])
}

export function writeLogStart(disk: Disk, syncs: SyncScheduler, directory: string, offset: Offset): Promise<void> {
  const text = withCrc(`version: 0\nlog_start_offset: ${offset}\n`)
  return replaceFile(disk, syncs, `${directory}/${fileName.logStart}`, text)
}

function linesOf(disk: Disk, path: string): string {
  const lines = checkedLines(disk.readWhole(path))
  if (lines === null) throw new CorruptionError(path, 'its CRC does not match')
  return lines.join('\n')
}
