/** Zstandard: by Node itself where it has it (22.15 and later), else by an optional package. */
import * as zlib from 'node:zlib'
import type { Codec } from '../protocol/batch/types.ts'
import { CorruptionError } from '../util/errors.ts'
import { MiB } from '../util/units.ts'
import { damaged, tooLarge } from './codec-errors.ts'
import { optionalAddon } from './optional-package.ts'
import { scanZstd, type ZstdScan } from './zstd-frame.ts'

/** The one-shot decoder allocates its bound at once: this much above the limit is allowed for a last block that is not full. */
const boundSlackBytes = MiB
/** What a streaming decoder may be asked to keep: the format's own recommendation (RFC 8878, 3.1.1.1.2). */
const windowBytesMax = 8 * MiB
/** Blocks handed to the streaming decoder in one piece: at most 1 MiB of content. */
const blocksPerPiece = 8

interface ZstdAddon {
  compress(bytes: Buffer, level: number): Uint8Array
  decompress(bytes: Buffer, boundBytesMax: number): Uint8Array
  Decompressor: new () => {
    data(bytes: Buffer, onChunk: (chunk: Buffer) => void): void
    end(onChunk: (chunk: Buffer) => void): void
  }
}

interface NodeZstd {
  zstdCompressSync(bytes: Uint8Array): Uint8Array
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

const level = 3
let codec: Codec | null | undefined

export function zstdCodec(): Codec | null {
  codec ??= nodeZstdCodec() ?? addonZstdCodec()
  return codec
}

/** Exported for tests: the codec on Node's own zlib, or `null`. */
export function nodeZstdCodec(): Codec | null {
  const node = zlib as unknown as Partial<NodeZstd>
  if (node.zstdCompressSync === undefined || node.zstdDecompressSync === undefined) return null
  const { zstdCompressSync, zstdDecompressSync } = node as NodeZstd
  return {
    compress: bytes => zstdCompressSync(bytes),
    decompress: (bytes, sizeMax) =>
      guarded(bytes, sizeMax, () => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, sizeMax) })),
  }
}

/** Exported for tests: the codec on the optional package, or `null`. */
export function addonZstdCodec(): Codec | null {
  const addon = optionalAddon<ZstdAddon>('@cloudpss/zstd')
  return (
    addon && {
      compress: bytes => addon.compress(asBuffer(bytes), level),
      decompress: (bytes, sizeMax) =>
        guarded(bytes, sizeMax, scan =>
          scan.boundBytes <= sizeMax + boundSlackBytes
            ? addon.decompress(asBuffer(bytes), sizeMax + boundSlackBytes + 1)
            : decompressInPieces(addon, bytes, scan, sizeMax),
        ),
    }
  )
}

function guarded(bytes: Uint8Array, sizeMax: number, decompress: (scan: ZstdScan) => Uint8Array): Uint8Array {
  const scan = scanZstd(bytes)
  if (scan.declaredBytes > sizeMax) throw tooLarge('zstd', sizeMax)
  let content: Uint8Array
  try {
    content = decompress(scan)
  } catch (error) {
    if (error instanceof CorruptionError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('zstd', sizeMax)
    throw damaged('zstd', (error as Error).message, error)
  }
  if (content.length > sizeMax) throw tooLarge('zstd', sizeMax)
  return content
}

/** For frames of many small blocks without a size, whose bound says nothing: a few blocks at a time, counting. */
function decompressInPieces(addon: ZstdAddon, bytes: Uint8Array, scan: ZstdScan, sizeMax: number): Uint8Array {
  if (scan.windowBytes > windowBytesMax) throw damaged('zstd', `asks for a window above ${windowBytesMax} bytes`)
  const decompressor = new addon.Decompressor()
  const chunks: Buffer[] = []
  let sizeBytes = 0
  const onChunk = (chunk: Buffer): void => {
    chunks.push(chunk)
    sizeBytes += chunk.length
  }
  let from = 0
  for (let i = blocksPerPiece - 1; from < bytes.length; i += blocksPerPiece) {
    const to = scan.blockEnds[i] ?? bytes.length
    decompressor.data(asBuffer(bytes.subarray(from, to)), onChunk)
    if (to === bytes.length) decompressor.end(onChunk)
    if (sizeBytes > sizeMax) throw tooLarge('zstd', sizeMax)
    from = to
  }
  return Buffer.concat(chunks)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
