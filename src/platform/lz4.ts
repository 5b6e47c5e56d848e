/**
 * LZ4 frames (LZ4 frame format 1.6), as Kafka's batches of format v2 have them:
 *
 *     magic:0x184D2204le  FLG  BD  [contentSize:8] [dictId:4]  HC  { blockSize:4le  data  [blockChecksum:4] }…  0:4  [contentChecksum:4]
 *
 * The frame is walked before it is handed to the native decoder, which would otherwise accept one cut short and knows no
 * limit. The walk gives an upper bound of the content; where that is not good enough, the blocks' sequences are counted.
 */
import type { Codec } from '../protocol/batch/types.ts'
import { KiB } from '../util/units.ts'
import { damaged, tooLarge } from './codec-errors.ts'
import { optionalPackage } from './optional-package.ts'

interface Lz4Package {
  compressFrameSync(bytes: Buffer): Uint8Array
  decompressFrameSync(bytes: Buffer): Uint8Array
}

const frameMagic = 0x184d2204
const flag = { version: 0xc0, blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 }
const uncompressedBlock = 0x8000_0000

let codec: Codec | null | undefined

export function lz4Codec(): Codec | null {
  if (codec === undefined) {
    const lz4 = optionalPackage<Lz4Package>('lz4-napi')
    codec = lz4 && {
      compress: bytes => lz4.compressFrameSync(asBuffer(bytes)),
      decompress: (bytes, sizeMax) => decompress(lz4, bytes, sizeMax),
    }
  }
  return codec
}

function decompress(lz4: Lz4Package, bytes: Uint8Array, sizeMax: number): Uint8Array {
  checkFrame(bytes, sizeMax)
  let content: Uint8Array
  try {
    content = lz4.decompressFrameSync(asBuffer(bytes))
  } catch (error) {
    throw damaged('lz4', (error as Error).message, error)
  }
  if (content.length > sizeMax) throw tooLarge('lz4', sizeMax)
  return content
}

/** Throws unless `bytes` is exactly one frame whose content is at most `sizeMax`. */
function checkFrame(bytes: Uint8Array, sizeMax: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 11 || view.getUint32(0, true) !== frameMagic) throw damaged('lz4', 'not an LZ4 frame')
  const flags = bytes[4]!
  const blockSizeCode = (bytes[5]! >> 4) & 7
  if ((flags & flag.version) !== 0x40 || blockSizeCode < 4) throw damaged('lz4', 'unknown frame version or block size')
  if (flags & flag.dictionary) throw damaged('lz4', 'needs a dictionary')
  const blockSizeMax = 64 * KiB * 4 ** (blockSizeCode - 4)
  let at = 7
  if (flags & flag.contentSize) {
    if (bytes.length < 19) throw damaged('lz4', 'cut short')
    if (Number(view.getBigUint64(6, true)) > sizeMax) throw tooLarge('lz4', sizeMax)
    at += 8
  }
  const blocks: Block[] = []
  for (;;) {
    if (bytes.length - at < 4) throw damaged('lz4', 'cut short')
    const header = view.getUint32(at, true)
    at += 4
    if (header === 0) break
    const isPlain = header >= uncompressedBlock
    const length = isPlain ? header - uncompressedBlock : header
    if (length > bytes.length - at || length > blockSizeMax) throw damaged('lz4', 'a block length is wrong')
    blocks.push({ from: at, to: at + length, isPlain })
    at += length + (flags & flag.blockChecksum ? 4 : 0)
  }
  if (flags & flag.contentChecksum) at += 4
  if (at !== bytes.length) throw damaged('lz4', at > bytes.length ? 'cut short' : 'bytes after the end')
  // Counting walks over every sequence: only when the blocks, were they full, would not fit.
  if (blocks.length * blockSizeMax <= sizeMax) return
  let sizeBytes = 0
  for (const block of blocks) {
    sizeBytes += block.isPlain ? block.to - block.from : blockContentLength(bytes, block.from, block.to)
    if (sizeBytes > sizeMax) throw tooLarge('lz4', sizeMax)
  }
}

interface Block {
  readonly from: number
  readonly to: number
  readonly isPlain: boolean
}

/** What the sequences of a block say they produce (LZ4 block format): literals, then a match of at least four. */
function blockContentLength(bytes: Uint8Array, from: number, to: number): number {
  let total = 0
  let at = from
  const extended = (start: number): number => {
    let length = start
    if (start !== 15) return length
    let byte = 255
    while (byte === 255 && at < to) {
      byte = bytes[at++]!
      length += byte
    }
    return length
  }
  while (at < to) {
    const token = bytes[at++]!
    const literals = extended(token >> 4)
    at += literals
    total += literals
    if (at >= to) break
    at += 2
    total += extended(token & 15) + 4
  }
  return total
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
