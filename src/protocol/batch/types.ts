import type { CompressionName } from './header.ts'

/** A record on its way into a batch. Keys and values are bytes here; strings were encoded at the edge. */
export interface RecordInput {
  key: Uint8Array | null
  /** `null` is a tombstone. */
  value: Uint8Array | null
  headers: readonly RecordHeader[]
  /** Milliseconds since 1970. */
  timestamp: number
}

export interface RecordHeader {
  name: string
  value: Uint8Array | null
}

/** A record read from a batch. Its bytes are views of the (decompressed) batch. */
export interface DecodedRecord {
  offset: number
  timestamp: number
  key: Uint8Array | null
  value: Uint8Array | null
  headers: RecordHeader[]
}

/**
 * The compressors of one platform. `compress` and `decompress` work on the records part of a batch. In Node they are
 * synchronous; a browser only has streams, so a caller must be ready for a promise. `null` from `codecs[name]`: not
 * available here (an optional package is missing), which becomes `UNSUPPORTED_COMPRESSION_TYPE`.
 */
export type Codecs = Readonly<Record<Exclude<CompressionName, 'none'>, Codec | null>>

export interface Codec {
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Throws when the result would be larger than `sizeMax`: a small batch must not become a large memory. */
  decompress(bytes: Uint8Array, sizeMax: number): Uint8Array | Promise<Uint8Array>
}
