/** Single fields of a batch header, read without building a `BatchHeader`: for loops over many batches. */
import { batchPrefixBytes, position } from '../protocol/batch/header.ts'
import type { Offset } from '../util/numbers.ts'

/** Whole batch in bytes. */
export function batchSizeBytes(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + position.batchLength) + batchPrefixBytes
}

/** First offset after the batch. */
export function batchEndOffset(bytes: Uint8Array, at: number): Offset {
  const base = readInt32(bytes, at) * 0x1_0000_0000 + (readInt32(bytes, at + 4) >>> 0)
  return base + readInt32(bytes, at + position.lastOffsetDelta) + 1
}

/** End offset of the last of back-to-back batches; `fallback` when there is none. */
export function batchesEndOffset(bytes: Uint8Array, fallback: Offset): Offset {
  let end = fallback
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) end = batchEndOffset(bytes, at)
  return end
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
