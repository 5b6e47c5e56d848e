/**
 * Snappy as Kafka has it. Kafka's own client frames the raw blocks as the xerial library does:
 *
 *     0x82 "SNAPPY" 0x00   version:int32 (1)   compatibleVersion:int32 (1)   { blockLength:int32  rawBlock }…
 *
 * librdkafka and others send one raw block without a frame. We write the frame and read both. A raw block begins with
 * the length of its content as a varint, so the whole size is known before anything is decompressed.
 */
import type { Codec } from '../protocol/batch/types.ts'
import { KiB } from '../util/units.ts'
import { damaged, tooLarge } from './codec-errors.ts'
import { optionalPackage } from './optional-package.ts'

interface SnappyPackage {
  compressSync(bytes: Uint8Array): Uint8Array
  uncompressSync(bytes: Uint8Array, options: { asBuffer: true }): Uint8Array
}

const magic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0)
const frameHeaderBytes = 16
/** The block size of Kafka's own client. */
const blockBytes = 32 * KiB

let codec: Codec | null | undefined

export function snappyCodec(): Codec | null {
  if (codec === undefined) {
    const snappy = optionalPackage<SnappyPackage>('snappy')
    codec = snappy && {
      compress: bytes => compress(snappy, bytes),
      decompress: (bytes, sizeMax) => decompress(snappy, bytes, sizeMax),
    }
  }
  return codec
}

function compress(snappy: SnappyPackage, bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(frameHeaderBytes)
  header.set(magic)
  header.writeInt32BE(1, 8)
  header.writeInt32BE(1, 12)
  const parts: Uint8Array[] = [header]
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const block = snappy.compressSync(bytes.subarray(from, from + blockBytes))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

function decompress(snappy: SnappyPackage, bytes: Uint8Array, sizeMax: number): Uint8Array {
  const blocks = isFramed(bytes) ? blocksOfFrame(bytes) : [bytes]
  let sizeBytes = 0
  for (const block of blocks) {
    sizeBytes += contentLength(block)
    if (sizeBytes > sizeMax) throw tooLarge('snappy', sizeMax)
  }
  try {
    const contents = blocks.map(block => snappy.uncompressSync(block, { asBuffer: true }))
    return contents.length === 1 ? contents[0]! : Buffer.concat(contents)
  } catch (error) {
    throw damaged('snappy', (error as Error).message, error)
  }
}

function isFramed(bytes: Uint8Array): boolean {
  return bytes.length >= frameHeaderBytes && magic.every((byte, at) => bytes[at] === byte)
}

function blocksOfFrame(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks: Uint8Array[] = []
  for (let at = frameHeaderBytes; at < bytes.length; ) {
    if (bytes.length - at < 4) throw damaged('snappy', 'a block length is cut short')
    const length = view.getInt32(at)
    at += 4
    if (length < 1 || length > bytes.length - at) throw damaged('snappy', 'a block length is wrong')
    blocks.push(bytes.subarray(at, at + length))
    at += length
  }
  return blocks
}

/** The varint at the start of a raw block: at most 2^32 - 1. */
function contentLength(block: Uint8Array): number {
  let length = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return length
  }
  throw damaged('snappy', 'a block has no length')
}
