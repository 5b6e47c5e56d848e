/** Offset for a timestamp: segment by its largest timestamp, batch by the two indexes and headers, record by decoding. */
import { decodeBatch } from '../protocol/batch/decoder.ts'
import { type BatchHeader, crcRangeStart, endOffsetOf } from '../protocol/batch/header.ts'
import { ApiError } from '../protocol/errors.ts'
import { crc32c } from '../util/crc32c.ts'
import { CorruptionError } from '../util/errors.ts'
import { type Offset, toLeaderEpoch } from '../util/numbers.ts'
import { crcFault, readBytes } from './file-chunk.ts'
import type { LogCore } from './log-core.ts'
import { checkReadable, offline } from './log-reader.ts'
import { writeOut } from './log-writer.ts'
import type { Segment } from './segment.ts'
import { withSoundIndexes } from './segment-tail.ts'
import type { TimestampLookup } from './types.ts'

interface FoundBatch {
  readonly segment: Segment
  readonly position: number
  readonly header: BatchHeader
}

/** See `PartitionLog.offsetForTimestamp`. */
export async function offsetForTimestamp(
  core: LogCore,
  timestampMs: number,
  endOffset: Offset,
): Promise<TimestampLookup | null> {
  writeOut(core)
  let fromOffset = core.logStartOffset
  for (;;) {
    checkReadable(core, Math.max(fromOffset, core.logStartOffset))
    const { generation } = core
    try {
      const found = findBatch(core, timestampMs, Math.max(fromOffset, core.logStartOffset))
      if (found === null || found.header.baseOffset >= endOffset) return null
      const record = await firstRecordFrom(core, found, timestampMs)
      if (record !== null && generation === core.generation) return record.offset < endOffset ? record : null
      // Its records at or after the timestamp were deleted, all of them: they lie below the log start.
      if (generation === core.generation) fromOffset = endOffsetOf(found.header)
    } catch (error) {
      if (generation === core.generation) throw offline(core, error)
    }
  }
}

/** The first batch at or after `fromOffset` whose largest timestamp is at or after `timestampMs`. */
function findBatch(core: LogCore, timestampMs: number, fromOffset: Offset): FoundBatch | null {
  const first = core.segmentFor(fromOffset)
  if (first === null) return null
  for (let at = core.segments.indexOf(first); at < core.segments.length; at++) {
    const segment = core.segments[at]!
    if (segment.writtenBytes === 0) continue
    const found = withSoundIndexes(core, segment, () => findInSegment(segment, timestampMs, fromOffset))
    if (found !== null) return { segment, ...found }
  }
  return null
}

function findInSegment(segment: Segment, timestampMs: number, fromOffset: Offset) {
  if (segment.loadLargest().timestamp < timestampMs) return null
  const at = segment.timeIndex.floor(timestampMs)
  let startOffset = fromOffset
  if (at >= 0) {
    // Everything newer than this entry lies at or behind the batch it names.
    const entry = segment.timeIndex.entry(at)
    segment.confirmTimeEntry(entry.key, entry.value)
    startOffset = Math.max(startOffset, segment.baseOffset + entry.value)
  }
  const { cursor } = segment.cursorBefore(startOffset)
  for (;;) {
    const { position } = cursor
    const header = cursor.next(null)
    if (header === null) return null
    if (header.maxTimestamp >= timestampMs && endOffsetOf(header) > fromOffset) return { position, header }
  }
}

async function firstRecordFrom(core: LogCore, found: FoundBatch, timestampMs: number): Promise<TimestampLookup | null> {
  const { segment, position, header } = found
  const batch = await readBytes(core, segment, position, header.sizeBytes)
  if (batch.length < header.sizeBytes) throw new CorruptionError(segment.logPath, 'the file is shorter than it was')
  const where = `${segment.logPath} at byte ${position}`
  if (crc32c(batch, crcRangeStart, batch.length) !== header.crc) throw new CorruptionError(where, crcFault)
  const record = (await decoded(core, batch, where)).find(
    each => each.timestamp >= timestampMs && each.offset >= core.logStartOffset,
  )
  if (record === undefined) return null
  return { offset: record.offset, timestamp: record.timestamp, leaderEpoch: toLeaderEpoch(header.leaderEpoch) }
}

/** What a producer compressed was never looked into: nonsense there is its doing and no damage of the log. */
async function decoded(core: LogCore, batch: Uint8Array, where: string) {
  try {
    return await decodeBatch(batch, core.env.codecs)
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError('CORRUPT_MESSAGE', `${where}: the records of this batch cannot be read`, { cause })
  }
}
