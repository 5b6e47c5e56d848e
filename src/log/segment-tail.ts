/**
 * Bringing a segment's counters and indexes in line with its log file: when it is opened, cut, or found to have a wrong
 * index. All of it walks headers from the last index entry that can be trusted, with the same rule that made the entries
 * in the first place, so a rebuilt index equals the one that was lost.
 */
import { endOffsetOf, readBatchHeader } from '../protocol/batch/header.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { BatchCursor } from './batch-cursor.ts'
import { batchSizeBytes } from './batch-fields.ts'
import type { FilePool } from './file-pool.ts'
import type { LogCore } from './log-core.ts'
import type { Segment } from './segment.ts'
import type { LogConfig } from './types.ts'

const walkWindowBytes = 64 * 1024

/**
 * Walks from the last index entry to `untilOffset` (or the end of the file) and sets `appendedBytes`, the largest
 * timestamp and the missing index entries. Returns the offset it arrived at. A wrong index entry is a `CorruptionError`
 * of the index file, a wrong header one of the log file.
 */
export function resumeTail(files: FilePool, segment: Segment, config: LogConfig, untilOffset: Offset): Offset {
  const lastTime = segment.timeIndex.lastEntry
  if (lastTime !== null) segment.confirmTimeEntry(lastTime.key, lastTime.value)
  const lastIndex = segment.offsetIndex.lastEntry
  // Confirms the last index entry against the batch it names.
  if (lastIndex !== null) segment.cursorBefore(segment.baseOffset + lastIndex.key)
  segment.largest = {
    timestamp: lastTime?.key ?? -1,
    lastOffset: segment.baseOffset + (lastTime?.value ?? 0),
  }
  segment.appendedBytes = lastIndex?.value ?? 0
  segment.bytesSinceIndexEntry = 0
  return walk(files, segment, config, lastIndex === null ? segment.baseOffset : null, untilOffset)
}

/** The same after both indexes were thrown away. */
export function rebuildTail(files: FilePool, segment: Segment, config: LogConfig, untilOffset: Offset): Offset {
  segment.offsetIndex.truncate(0)
  segment.timeIndex.truncate(0)
  return resumeTail(files, segment, config, untilOffset)
}

/** Cuts the segment to its first `sizeBytes`, which end at `endOffset`, and makes it ready for appends. */
export function cutSegment(
  files: FilePool,
  segment: Segment,
  sizeBytes: number,
  endOffset: Offset,
  config: LogConfig,
): void {
  files.use(segment.logPath).truncate(sizeBytes)
  segment.writtenBytes = sizeBytes
  segment.syncedBytes = Math.min(segment.syncedBytes, sizeBytes)
  segment.isSealed = false
  segment.firstTimestamp = null
  segment.offsetIndex.truncate(segment.offsetIndex.countBelow(sizeBytes))
  segment.timeIndex.truncate(segment.timeIndex.countBelow(endOffset - segment.baseOffset))
  try {
    resumeTail(files, segment, config, Number.MAX_SAFE_INTEGER)
  } catch (error) {
    if (!isIndexDamage(error, segment)) throw error
    rebuildTail(files, segment, config, Number.MAX_SAFE_INTEGER)
  }
}

/** Runs `work`; if it meets a wrong index entry, builds the indexes of the segment anew and runs it again. */
export function withSoundIndexes<T>(core: LogCore, segment: Segment, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!isIndexDamage(error, segment)) throw error
    core.env.logger.warn(
      { path: segment.offsetIndex.path, error: error.message },
      'index damaged: rebuilt from the log',
    )
    rebuildIndexes(core, segment)
    return work()
  }
}

function rebuildIndexes(core: LogCore, segment: Segment): void {
  rebuildTail(core.env.files, segment, core.config, Number.MAX_SAFE_INTEGER)
  for (const append of core.pending) {
    if (append.segment !== segment) continue
    for (let at = 0; at < append.bytes.length; at += batchSizeBytes(append.bytes, at)) {
      segment.note(readBatchHeader(append.bytes, at), core.config)
    }
  }
  if (!segment.isSealed) return
  segment.noteTimestamp()
  segment.offsetIndex.spill()
  segment.timeIndex.spill()
}

function isIndexDamage(error: unknown, segment: Segment): error is CorruptionError {
  if (!(error instanceof CorruptionError)) return false
  return error.where === segment.offsetIndex.path || error.where === segment.timeIndex.path
}

function walk(
  files: FilePool,
  segment: Segment,
  config: LogConfig,
  firstOffset: Offset | null,
  untilOffset: Offset,
): Offset {
  const cursor = new BatchCursor(
    files.use(segment.logPath),
    segment.appendedBytes,
    segment.writtenBytes,
    walkWindowBytes,
  )
  let expected = firstOffset
  while (expected === null || expected < untilOffset) {
    const header = cursor.next(expected)
    if (header === null) break
    segment.note(header, config)
    expected = endOffsetOf(header)
  }
  return expected ?? segment.baseOffset
}
