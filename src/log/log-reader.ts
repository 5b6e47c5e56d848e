/**
 * Reading batches: from the tail cache at once, else from a file, one read for one answer. For a reader that goes on where it
 * ended, the next read is made while it takes the last one.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { batchesEndOffset } from './batch-fields.ts'
import { closed, diskError, outOfRange, storageFailure } from './failures.ts'
import { findReadEnd, noteReadEnd, readChunk } from './file-chunk.ts'
import { failLog, type LogCore } from './log-core.ts'
import { writeOut } from './log-writer.ts'
import { withSoundIndexes } from './segment-tail.ts'
import { cutBatches } from './tail-cache.ts'
import type { ReadRequest } from './types.ts'

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
  const { generation } = core
  const { ahead } = core.env
  const wasAhead = ahead.take(core, fromOffset)
  const readsBefore = findReadEnd(core, fromOffset)?.reads ?? 0
  const chunk = (wasAhead === null ? null : await wasAhead.chunk) ?? (await readChunk(core, request))
  if (chunk === null || generation !== core.generation) return []
  const { segment, position, bytes } = chunk
  const found = cutBatches(bytes, fromOffset, endOffset, maxBytes, minOneBatch)
  const offset = batchesEndOffset(found, fromOffset)
  const rest = { segment, position: position + found.length, bytes: bytes.subarray(found.length) }
  if (rest.bytes.length > 0) ahead.keep(core, offset, rest)
  if (found.length === 0) return []
  noteReadEnd(core, { generation, offset, segment, position: rest.position, reads: readsBefore + 1 })
  return [found]
}

/** See `PartitionLog.readAhead`. */
export function readAhead(core: LogCore, fromOffset: Offset, maxBytes: number): void {
  const { writtenEndOffset: endOffset } = core
  const end = findReadEnd(core, fromOffset)
  // Whoever has gone on once will go on again.
  if (end === null || end.reads < 2 || fromOffset >= endOffset || core.isClosed || core.failure !== null) return
  // Nobody gets what he may not have: the end of it is cut when it is asked for.
  const request = { fromOffset, endOffset, maxBytes, minOneBatch: false }
  core.env.ahead.start(core, fromOffset, maxBytes, () => readChunk(core, request))
}
