/**
 * Tells a torn tail from rotten bytes. A log file only grows, so sectors that were never written read as zero and
 * those that were hold what was written: a power cut leaves a file that ends too early, or whole 512-byte sectors of
 * zeros. A batch that fails its checks though none of its sectors is empty was written completely and changed since.
 */
import {
  batchHeaderBytes,
  batchMagic,
  crcRangeStart,
  headerFault,
  position,
  readBatchHeader,
} from '../protocol/batch/header.ts'
import { crc32c } from '../util/crc32c.ts'
import type { Offset } from '../util/numbers.ts'
import type { DiskFile } from './disk.ts'

const sectorBytes = 512
const windowBytes = 1024 * 1024

export interface DamageFacts {
  /** Where the next batch that is sound by itself begins, with offsets that can follow; `null`: nowhere in this file. */
  readonly nextSoundAt: number | null
  /** A write that did not reach the disk explains it: the file ends inside a batch, or a sector is empty. */
  readonly isTorn: boolean
}

/** Looks at the bytes from the unsound batch at `from` to the end of the file. */
export async function examineDamage(
  file: DiskFile,
  sizeBytes: number,
  from: number,
  expectedOffset: Offset,
  isIncomplete: boolean,
): Promise<DamageFacts> {
  const nextSoundAt = await findSoundBatch(file, sizeBytes, from, expectedOffset)
  const until = nextSoundAt ?? sizeBytes
  const span = await file.read(from, Math.min(until - from, spanBytesMax))
  // With the length that its neighbour implies the CRC matches: only the length field has changed.
  if (isCompleteBatch(span)) return { nextSoundAt, isTorn: isHeadEmpty(span, from, expectedOffset) }
  return { nextSoundAt, isTorn: isIncomplete || hasEmptyPart(span, from, expectedOffset, nextSoundAt !== null) }
}

/** Larger than any batch. */
const spanBytesMax = 128 * 1024 * 1024

function isCompleteBatch(span: Uint8Array): boolean {
  if (span.length < batchHeaderBytes || span[position.magic] !== batchMagic) return false
  return crc32c(span, crcRangeStart, span.length) === readBatchHeader(span, 0).crc
}

/**
 * The sector in which the batch begins kept what it held before: zeros where its base offset is due. The CRC does not
 * cover that, so it matches all the same when the sector ends soon after.
 */
function isHeadEmpty(span: Uint8Array, from: number, expectedOffset: Offset): boolean {
  const headBytes = sectorBytes - (from % sectorBytes)
  return expectedOffset >= 256 ** Math.max(0, 8 - headBytes) && hasEmptySector(span.subarray(0, headBytes), from)
}

/**
 * Looks for an empty sector where zeros prove something. A few bytes at the end of a sector are the first ones of the base
 * offset, which are zero in almost every batch; and a sector in which a sound batch follows was written.
 */
function hasEmptyPart(span: Uint8Array, from: number, expectedOffset: Offset, isFollowed: boolean): boolean {
  const headBytes = sectorBytes - (from % sectorBytes)
  const start = headBytes < 8 && expectedOffset < 256 ** (8 - headBytes) ? headBytes : 0
  const end = isFollowed ? span.length - ((from + span.length) % sectorBytes) : span.length
  return hasEmptySector(span.subarray(start, Math.max(start, end)), from + start)
}

/** `span` begins at byte `from` of its file. */
export function hasEmptySector(span: Uint8Array, from: number): boolean {
  let at = 0
  while (at < span.length) {
    const sectorEnd = at + sectorBytes - ((from + at) % sectorBytes)
    const end = Math.min(sectorEnd, span.length)
    let isEmpty = true
    for (let byte = at; byte < end && isEmpty; byte++) isEmpty = span[byte] === 0
    if (isEmpty) return true
    at = end
  }
  return false
}

async function findSoundBatch(
  file: DiskFile,
  sizeBytes: number,
  from: number,
  expectedOffset: Offset,
): Promise<number | null> {
  for (let start = from + 1; start + batchHeaderBytes <= sizeBytes; start += windowBytes) {
    const window = await file.read(start, Math.min(windowBytes + batchHeaderBytes, sizeBytes - start))
    for (let at = 0; at + batchHeaderBytes <= window.length; at++) {
      if (window[at + position.magic] !== batchMagic) continue
      const header = readBatchHeader(window, at)
      if (headerFault(header, null) !== null || header.baseOffset <= expectedOffset) continue
      if (start + at + header.sizeBytes > sizeBytes) continue
      const batch = await file.read(start + at, header.sizeBytes)
      if (crc32c(batch, crcRangeStart, batch.length) === header.crc) return start + at
    }
  }
  return null
}
