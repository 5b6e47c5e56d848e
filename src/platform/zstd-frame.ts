/**
 * Walks Zstandard frames (RFC 8878) without decompressing them: are they whole, and how large can their content be?
 * Kafka's Java client streams, so its frames do not say how large they are.
 */
import { KiB } from '../util/units.ts'
import { damaged } from './codec-errors.ts'

const frameMagic = 0xfd2f_b528
const skippableMagic = 0x184d_2a50
const blockSizeLimit = 128 * KiB

export interface ZstdScan {
  /** The content is never larger: exact where the frames declare it, else a full block for each block. */
  readonly boundBytes: number
  /** The content is at least as large as this. */
  readonly declaredBytes: number
  /** The largest window any frame asks a streaming decoder to keep. */
  readonly windowBytes: number
  /** Where it may be cut so that the content between two cuts is at most one block: the ends of the blocks. */
  readonly blockEnds: readonly number[]
}

/** Throws `CorruptionError` unless `bytes` are whole frames and nothing else. */
export function scanZstd(bytes: Uint8Array): ZstdScan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blockEnds: number[] = []
  let boundBytes = 0
  let declaredBytes = 0
  let windowBytes = 0
  let at = 0
  while (at < bytes.length) {
    need(bytes, at, 8)
    const magic = view.getUint32(at, true)
    if ((magic & 0xffff_fff0) >>> 0 === skippableMagic) {
      at += 8 + view.getUint32(at + 4, true)
      need(bytes, at, 0)
      continue
    }
    if (magic !== frameMagic) throw damaged('zstd', 'not a Zstandard frame')
    const header = readFrameHeader(view, bytes, at + 4)
    at = header.end
    const blocksBefore = blockEnds.length
    at = walkBlocks(bytes, at, blockEnds)
    if (header.hasChecksum) {
      need(bytes, at, 4)
      at += 4
      blockEnds[blockEnds.length - 1] = at
    }
    windowBytes = Math.max(windowBytes, header.windowBytes)
    declaredBytes += header.contentBytes ?? 0
    const blockMax = Math.min(header.windowBytes, blockSizeLimit)
    boundBytes += header.contentBytes ?? (blockEnds.length - blocksBefore) * blockMax
  }
  if (blockEnds.length === 0) throw damaged('zstd', 'not a Zstandard frame')
  return { boundBytes, declaredBytes, windowBytes, blockEnds }
}

interface FrameHeader {
  readonly end: number
  readonly windowBytes: number
  readonly contentBytes: number | null
  readonly hasChecksum: boolean
}

function readFrameHeader(view: DataView, bytes: Uint8Array, from: number): FrameHeader {
  need(bytes, from, 2)
  const descriptor = bytes[from]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!
  const sizeCode = descriptor >> 6
  const contentSizeBytes = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeCode
  if (dictionaryIdBytes > 0) throw damaged('zstd', 'needs a dictionary')
  let at = from + 1
  let windowBytes = 0
  if (!isSingleSegment) {
    const exponent = bytes[at]! >> 3
    const mantissa = bytes[at]! & 7
    windowBytes = 2 ** (10 + exponent) * (1 + mantissa / 8)
    at++
  }
  need(bytes, at, contentSizeBytes)
  let contentBytes: number | null = null
  if (contentSizeBytes === 1) contentBytes = bytes[at]!
  else if (contentSizeBytes === 2) contentBytes = view.getUint16(at, true) + 256
  else if (contentSizeBytes === 4) contentBytes = view.getUint32(at, true)
  else if (contentSizeBytes === 8) contentBytes = Number(view.getBigUint64(at, true))
  if (isSingleSegment) windowBytes = contentBytes!
  return { end: at + contentSizeBytes, windowBytes, contentBytes, hasChecksum: (descriptor & 4) !== 0 }
}

/** Appends the end of each block to `ends` and returns that of the last. */
function walkBlocks(bytes: Uint8Array, from: number, ends: number[]): number {
  let at = from
  for (let isLast = false; !isLast; ) {
    need(bytes, at, 3)
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    isLast = (header & 1) !== 0
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3 || size > blockSizeLimit) throw damaged('zstd', 'a block header is wrong')
    // A repeated byte (type 1) takes one byte, whatever its size says.
    at += 3 + (type === 1 ? 1 : size)
    need(bytes, at, 0)
    ends.push(at)
  }
  return at
}

function need(bytes: Uint8Array, at: number, count: number): void {
  if (at + count > bytes.length) throw damaged('zstd', 'cut short')
}
