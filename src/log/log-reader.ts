/**
 * Reading batches: from the tail cache at once, else with one read of one file into one fresh buffer. What comes from
 * a file is checked before anybody sees it, CRC and offsets: damaged bytes take the log offline, they are not served.
 */

import { batchHeaderBytes, crcRangeStart, endOffsetOf, headerFault, readBatchHeader } from '../protocol/batch/header.ts'
import { ApiError } from '../protocol/errors.ts'
import { crc32c } from '../util/crc32c.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { closed, diskError, outOfRange, storageFailure } from './failures.ts'
import { failLog, type LogCore } from './log-core.ts'
import { writeOut } from './log-writer.ts'
import type { Segment } from './segment.ts'
import { withSoundIndexes } from './segment-tail.ts'
import type { ReadRequest } from './types.ts'

export const crcFault = 'the CRC of the batch does not match'

/** See `PartitionLog.read`. */
export function read(core: LogCore, request: ReadRequest): Uint8Array[] | Promise<Uint8Array[]> {
  checkReadable(core, request.fromOffset)
  const endOffset = Math.min(request.endOffset, core.logEndOffset)
  if (request.fromOffset >= endOffset) return []
  const { fromOffset, maxBytes, minOneBatch } = request
  return (
    core.env.cache.read(core.tail, fromOffset, endOffset, maxBytes, minOneBatch) ??
    readFile(core, { ...request, endOffset })
  )
}

/** See `PartitionLog.readViews`. */
export function readViews(core: LogCore, request: ReadRequest): readonly Uint8Array[] | null {
  const { fromOffset, maxBytes, minOneBatch } = request
  checkReadable(core, fromOffset)
  const endOffset = Math.min(request.endOffset, core.logEndOffset)
  if (fromOffset >= endOffset) return []
  return core.env.cache.views(core.tail, fromOffset, endOffset, maxBytes, minOneBatch)
}

/** See `PartitionLog.startBatchOffset`. */
export function startBatchOffset(core: LogCore): Offset {
  const { generation, logStartOffset, startBatch } = core
  const isKnown = startBatch.generation === generation && startBatch.logStartOffset === logStartOffset
  if (isKnown) return startBatch.baseOffset
  const segment = core.segmentFor(logStartOffset)
  const isAtStart = segment === null || segment.baseOffset === logStartOffset || logStartOffset === core.logEndOffset
  if (isAtStart || core.failure !== null) return logStartOffset
  try {
    const found = withSoundIndexes(core, segment, () => segment.locate(logStartOffset))
    const baseOffset = found?.header.baseOffset ?? logStartOffset
    core.startBatch = { generation, logStartOffset, baseOffset }
    return baseOffset
  } catch (error) {
    offline(core, error)
    return logStartOffset
  }
}

export function checkReadable(core: LogCore, fromOffset: Offset): void {
  if (core.failure !== null) throw storageFailure(core.failure)
  if (core.isClosed) throw closed()
  if (fromOffset < core.logStartOffset || fromOffset > core.logEndOffset) {
    throw outOfRange(fromOffset, core.logStartOffset, core.logEndOffset)
  }
}

async function readFile(core: LogCore, request: ReadRequest): Promise<Uint8Array[]> {
  // Only a log whose tail does not fit the cache is read before it was written.
  if (request.fromOffset >= core.writtenEndOffset) writeOut(core)
  for (;;) {
    const { generation } = core
    try {
      const found = await readSegment(core, request)
      if (generation === core.generation) return found
    } catch (error) {
      // Bytes that were truncated or deleted under the reader are no damage: look again.
      if (generation === core.generation) throw offline(core, error)
    }
    checkReadable(core, request.fromOffset)
    if (request.fromOffset >= Math.min(request.endOffset, core.logEndOffset)) return []
  }
}

/** Takes the log offline, if this was the disk's doing, and returns what to throw. */
export function offline(core: LogCore, thrown: unknown): Error {
  if (thrown instanceof ApiError) return thrown
  const error = diskError(thrown)
  failLog(core, error)
  return storageFailure(error)
}

async function readSegment(core: LogCore, request: ReadRequest): Promise<Uint8Array[]> {
  const { fromOffset, endOffset, maxBytes, minOneBatch } = request
  const segment = core.segmentFor(fromOffset)
  if (segment === null) throw new CorruptionError(core.directory, `no segment holds offset ${fromOffset}`)
  const first = withSoundIndexes(core, segment, () => segment.locate(fromOffset))
  if (first === null) {
    // Appended and not in the file yet: the window of unsynced bytes is full. It is not durable, so nobody may have it.
    if (fromOffset >= core.writtenEndOffset) return []
    throw new CorruptionError(segment.logPath, `it ends before offset ${fromOffset}`)
  }
  if (first.header.sizeBytes > maxBytes && !minOneBatch) return []
  const wantedBytes = Math.max(maxBytes, first.header.sizeBytes)
  const bytes = await readBytes(core, segment, first.position, wantedBytes)
  const end = checkedEnd(bytes, segment, first.position, endOffset, first.header.baseOffset)
  return end === 0 ? [] : [bytes.subarray(0, end)]
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
