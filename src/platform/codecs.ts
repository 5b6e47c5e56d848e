/**
 * The compressors of record batches under Node. Each loads what it needs at its first use, so that a broker, which only
 * passes batches through, starts without them. `decompress` is bounded: what a batch declares is checked before anything
 * is allocated for it, and what declares nothing is counted while it grows.
 */
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import type { Codec, Codecs } from '../protocol/batch/types.ts'
import { CorruptionError } from '../util/errors.ts'
import { damaged, tooLarge } from './codec-errors.ts'
import { lz4Codec } from './lz4.ts'
import { snappyCodec } from './snappy-xerial.ts'
import { zstdCodec } from './zstd.ts'

const gzipCodec: Codec = {
  compress: bytes => gzipSync(bytes),
  decompress(bytes, sizeMax) {
    try {
      // Zero would mean no limit to zlib.
      const result = gunzipSync(bytes, { maxOutputLength: Math.max(1, sizeMax), finishFlush: constants.Z_FINISH })
      if (result.length > sizeMax) throw tooLarge('gzip', sizeMax)
      return result
    } catch (error) {
      if (error instanceof CorruptionError) throw error
      const isLimit = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      throw isLimit ? tooLarge('gzip', sizeMax) : damaged('gzip', (error as Error).message, error)
    }
  },
}

/** `null` for a codec whose optional package is not installed. Asking for one loads it. */
export const nodeCodecs: Codecs = {
  gzip: gzipCodec,
  get snappy() {
    return snappyCodec()
  },
  get lz4() {
    return lz4Codec()
  },
  get zstd() {
    return zstdCodec()
  },
}
