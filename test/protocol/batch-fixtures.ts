/** Batches for tests: built by our builder, and helpers that damage them knowingly. */
import { BatchBuilder, type BatchBuilderOptions } from '../../src/protocol/batch/builder.ts'
import { position } from '../../src/protocol/batch/header.ts'
import type { Codecs } from '../../src/protocol/batch/types.ts'
import { crc32c } from '../../src/util/crc32c.ts'
import type { TestRecord } from './arbitrary.ts'

export const noCodecs: Codecs = { gzip: null, snappy: null, lz4: null, zstd: null }

export function buildBatch(
  records: readonly TestRecord[],
  options: Partial<BatchBuilderOptions> = {},
): Uint8Array | Promise<Uint8Array> {
  const builder = new BatchBuilder({ bytesMax: 1 << 24, compression: 'none', codec: null, ...options })
  for (const { key, value, headers, timestamp } of records) {
    if (!builder.tryAppend(key, value, headers, timestamp)) throw new Error('the batch is full')
  }
  return builder.finish()
}

/** Three records: without a key, with one, with headers; the timestamps go up and down. */
export const threeRecords: readonly TestRecord[] = [
  { key: null, value: 'a', headers: null, timestamp: 1000 },
  { key: 'k', value: 'bb', headers: [], timestamp: 1005 },
  {
    key: 'k',
    value: null,
    headers: [
      { name: 'h', value: new Uint8Array([7]) },
      { name: 'n', value: null },
    ],
    timestamp: 990,
  },
]
export const threeRecordBatch = (): Uint8Array => (buildBatch(threeRecords) as Uint8Array).slice()

/** A copy changed by `change`, with its length and CRC made right again. */
export function forged(
  batch: Uint8Array,
  change: (bytes: Uint8Array, view: DataView) => Uint8Array | void,
): Uint8Array {
  const copy = batch.slice()
  const bytes = change(copy, new DataView(copy.buffer)) ?? copy
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setInt32(position.batchLength, bytes.length - 12)
  view.setUint32(position.crc, crc32c(bytes, position.attributes, bytes.length))
  return bytes
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
