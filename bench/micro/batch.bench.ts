/**
 * What building, checking and reading record batches costs, in one process and without I/O.
 * Workload: batches of 64 KiB of records with a 100-byte value, no key, no headers, rising timestamps, uncompressed
 * (variants are named in the output). Every figure is the best of 5 rounds of at least 0.3 s.
 *
 *     node --import tsx bench/micro/batch.bench.ts
 */
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import type { Codecs, RecordHeader } from '../../src/protocol/batch/types.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { crc32c, installNativeCrc32c, tableCrc32c } from '../../src/util/crc32c.ts'
import { seededRandom } from '../../src/util/random.ts'
import { measure, report } from './measure.ts'

const batchBytes = 65_536
const now = 1_760_000_000_000
const noCodecs: Codecs = { gzip: null, snappy: null, lz4: null, zstd: null }

type Blob = Uint8Array | string | null

function build(key: Blob, value: Blob, headers: RecordHeader[] | null): { batch: Uint8Array; records: number } {
  const builder = new BatchBuilder({ bytesMax: batchBytes, compression: 'none', codec: null })
  while (builder.tryAppend(key, value, headers, now + (builder.recordCount & 7)));
  return { batch: builder.finish() as Uint8Array, records: builder.recordCount }
}

const bytes100 = new TextEncoder().encode('x'.repeat(100))
// Decoded, not repeated: `repeat` makes a string of strings, which no real input is.
const decoder = new TextDecoder()
const ascii100 = decoder.decode(bytes100)
const ascii16 = decoder.decode(bytes100.subarray(0, 16))
const ascii84 = decoder.decode(bytes100.subarray(16))
const random = seededRandom(1).nextBytes(batchBytes)
const umlaut100 = decoder.decode(new TextEncoder().encode('ä'.repeat(50)))
const headers = [
  { name: 'trace-id', value: bytes100.subarray(0, 16) },
  { name: 'content-type', value: bytes100.subarray(0, 10) },
]

report('build, records', [
  ['100 B bytes', measure(() => build(null, bytes100, null).records)],
  ['100 B ASCII text', measure(() => build(null, ascii100, null).records)],
  ['100 B other text', measure(() => build(null, umlaut100, null).records)],
  ['16 B key, 84 B value, bytes', measure(() => build(bytes100.subarray(0, 16), bytes100.subarray(16), null).records)],
  ['16 B key, 84 B value, text', measure(() => build(ascii16, ascii84, null).records)],
  ['100 B bytes, 2 headers', measure(() => build(null, bytes100, headers).records)],
  ['1 KiB bytes', measure(() => build(null, new Uint8Array(1024), null).records)],
  ['1 record of 100 B a batch', measure(() => buildOne())],
])

function buildOne(): number {
  for (let i = 0; i < 100; i++) {
    const builder = new BatchBuilder({ bytesMax: batchBytes, compression: 'none', codec: null })
    builder.tryAppend(null, bytes100, null, now)
    void builder.finish()
  }
  return 100
}

const plain = build(null, bytes100, null)
const keyed = build(bytes100.subarray(0, 16), bytes100.subarray(16), null)
const headed = build(null, bytes100, headers)

function check({ batch, records }: typeof plain): number {
  if (isFailure(checkProducedBatch(batch, { sizeMax: batchBytes }))) throw new Error('refused')
  return records
}
const decode = ({ batch }: typeof plain): number => (decodeBatch(batch, noCodecs) as unknown[]).length

function runReaders(crc: string): void {
  report(`check and decode, records, CRC by ${crc}`, [
    ['check', measure(() => check(plain))],
    ['check, 2 headers', measure(() => check(headed))],
    ['decode', measure(() => decode(plain))],
    ['decode, key and value', measure(() => decode(keyed))],
    ['decode, 2 headers', measure(() => decode(headed))],
  ])
}

runReaders('tables')
report('CRC-32C, bytes', [
  ['tables, 200 B', measure(() => sum(tableCrc32c, 200))],
  ['tables, 64 KiB', measure(() => sum(tableCrc32c, 65_536))],
])
const native = await import('@node-rs/crc32').catch(() => null)
if (native !== null) {
  installNativeCrc32c(bytes => native.crc32c(bytes))
  report('CRC-32C, bytes, native installed', [
    ['128 B', measure(() => sum(crc32c, 128))],
    ['128 B by tables', measure(() => sum(tableCrc32c, 128))],
    ['200 B', measure(() => sum(crc32c, 200))],
    ['2 KiB', measure(() => sum(crc32c, 2_048))],
    ['64 KiB', measure(() => sum(crc32c, 65_536))],
  ])
  runReaders('native code')
}

function sum(crc: typeof crc32c, size: number): number {
  let bytes = 0
  for (; bytes + size <= random.length; bytes += size) crc(random, bytes, bytes + size)
  return bytes
}
