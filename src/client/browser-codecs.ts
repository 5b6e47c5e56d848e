/**
 * The codecs a browser has of its own: gzip through the Compression Streams standard, so only by promise. The others
 * are `null`: `UNSUPPORTED_COMPRESSION_TYPE` names them when a batch needs one. An application may pass its own.
 */
import type { Codec, Codecs } from '../protocol/batch/types.ts'
import { concatBytes } from '../util/bytes.ts'
import { CorruptionError } from '../util/errors.ts'

const gzipCodec: Codec = {
  compress: bytes => pipe(bytes, new CompressionStream('gzip'), Number.MAX_SAFE_INTEGER),
  decompress: async (bytes, sizeMax) => {
    try {
      return await pipe(bytes, new DecompressionStream('gzip'), sizeMax)
    } catch (error) {
      if (error instanceof CorruptionError) throw error
      throw new CorruptionError('compressed records', `gzip: ${(error as Error).message}`, { cause: error })
    }
  },
}

export const browserCodecs: Codecs = { gzip: gzipCodec, snappy: null, lz4: null, zstd: null }

/** What `stream` makes of `bytes`; throws as soon as it is more than `sizeMax`. */
async function pipe(
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  sizeMax: number,
): Promise<Uint8Array> {
  const writer = stream.writable.getWriter()
  // Its failure is also the reader's, who reports it.
  const written = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close())
  written.catch(() => {})
  const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    sizeBytes += read.value.length
    if (sizeBytes > sizeMax) {
      await reader.cancel()
      throw new CorruptionError('compressed records', `gzip: would be larger than ${sizeMax} bytes`)
    }
    chunks.push(read.value)
  }
  await written
  return concatBytes(chunks)
}
