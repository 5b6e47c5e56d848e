/**
 * One read of one segment file: whole batches in one fresh piece of memory, checked before anybody sees them, CRC and
 * offsets.
 */
import {
  type BatchHeader,
  batchHeaderBytes,
  crcRangeStart,
  endOffsetOf,
  headerFault,
  readBatchHeader,
} from '../protocol/batch/header.ts'
import { crc32c } from '../util/crc32c.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { BatchCursor } from './batch-cursor.ts'
import type { LogCore } from './log-core.ts'
import type { Segment } from './segment.ts'
import { withSoundIndexes } from './segment-tail.ts'
import type { ReadRequest } from './types.ts'

export const crcFault = 'the CRC of the batch does not match'

export interface FileChunk {
  readonly segment: Segment
  /** Where in its file the bytes begin. */
  readonly position: number
  /** Not empty. */
  readonly bytes: Uint8Array
}

/** Where a read ended, and the next one of a reader that goes on begins: found again without the indexes. */
export interface ReadEnd {
  readonly generation: number
  readonly offset: Offset
  readonly segment: Segment
  readonly position: number
  /** So many in a row, each from where the last one ended. */
  readonly reads: number
}

/** So many readers of one log that go on where they ended are known. */
const readEndsMax = 8

export function noteReadEnd(core: LogCore, end: ReadEnd): void {
  if (core.readEnds.push(end) > readEndsMax) core.readEnds.shift()
}

/** `null`: no reader is known to have ended at `offset`. */
export function findReadEnd(core: LogCore, offset: Offset): ReadEnd | null {
  return core.readEnds.find(end => end.offset === offset && end.generation === core.generation) ?? null
}

/** From the batch that contains `fromOffset`; `null` when there is none to be had. */
export async function readChunk(core: LogCore, request: ReadRequest): Promise<FileChunk | null> {
  const { fromOffset, endOffset, maxBytes, minOneBatch } = request
  const segment = core.segmentFor(fromOffset)
  if (segment === null) throw new CorruptionError(core.directory, `no segment holds offset ${fromOffset}`)
  const first = locate(core, segment, fromOffset)
  if (first === null) {
    // Appended and not in the file yet: the window of unsynced bytes is full. It is not durable, so nobody may have it.
    if (fromOffset >= core.writtenEndOffset) return null
    throw new CorruptionError(segment.logPath, `it ends before offset ${fromOffset}`)
  }
  const { position, header } = first
  if (header.sizeBytes > maxBytes && !minOneBatch) return null
  const bytes = await readBytes(core, segment, position, Math.max(maxBytes, header.sizeBytes))
  const end = checkedEnd(bytes, segment, position, endOffset, header.baseOffset)
  return end === 0 ? null : { segment, position, bytes: bytes.subarray(0, end) }
}

function locate(core: LogCore, segment: Segment, offset: Offset): { position: number; header: BatchHeader } | null {
  const end = findReadEnd(core, offset)
  if (end === null || end.segment !== segment) return withSoundIndexes(core, segment, () => segment.locate(offset))
  const { position } = end
  const file = core.env.files.use(segment.logPath)
  const header = new BatchCursor(file, position, segment.writtenBytes, batchHeaderBytes).next(offset)
  return header === null ? null : { position, header }
}

/** Up to `wantedBytes` of the segment from `position`, less only at the end of what is written. */
export async function readBytes(core: LogCore, segment: Segment, position: number, wantedBytes: number) {
  const pinned = core.env.files.pin(segment.logPath)
  try {
    return await pinned.file.read(position, Math.min(wantedBytes, segment.writtenBytes - position))
  } finally {
    pinned.release()
  }
}

/** Where the last whole, sound batch below `endOffset` ends in `bytes`, which begin with a batch. */
function checkedEnd(
  bytes: Uint8Array,
  segment: Segment,
  position: number,
  endOffset: Offset,
  firstOffset: Offset,
): number {
  let at = 0
  let expected = firstOffset
  while (at + batchHeaderBytes <= bytes.length) {
    const header = readBatchHeader(bytes, at)
    const fault = headerFault(header, expected)
    if (fault !== null) throw new CorruptionError(`${segment.logPath} at byte ${position + at}`, fault)
    expected = endOffsetOf(header)
    if (at + header.sizeBytes > bytes.length) break
    // Before anything is concluded from its offsets.
    if (crc32c(bytes, at + crcRangeStart, at + header.sizeBytes) !== header.crc) {
      throw new CorruptionError(`${segment.logPath} at byte ${position + at}`, crcFault)
    }
    if (expected > endOffset) return at
    at += header.sizeBytes
  }
  if (at === 0) throw new CorruptionError(`${segment.logPath} at byte ${position}`, 'the file is shorter than it was')
  return at
}
