/** Building, checking and reading record batches, without I/O: 64 KiB of records with rising timestamps, uncompressed. */
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import type { Codecs, RecordHeader } from '../../src/protocol/batch/types.ts'
import { VarintReader, writeVarint } from '../../src/protocol/batch/varint.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { seededRandom } from '../../src/util/random.ts'
import { type Case, keep, type Prepared, type Room } from './case.ts'
import { arithmetic, checksumOf, objects } from './references.ts'

const batchBytes = 65_536
const now = 1_760_000_000_000
const noCodecs: Codecs = { gzip: null, snappy: null, lz4: null, zstd: null }

type Blob = Uint8Array | string | null

interface Content {
  readonly key: Blob
  readonly value: Blob
  readonly headers?: RecordHeader[]
}

interface Built {
  readonly batch: Uint8Array
  readonly records: number
}

// Decoded, not repeated: `repeat` makes a string of strings, which no real input is.
const decoder = new TextDecoder()
const bytes100 = new Uint8Array(100).fill(0x78)
const bytes16 = bytes100.subarray(0, 16)
const bytes84 = bytes100.subarray(16)
const headers = [
  { name: 'trace-id', value: bytes16 },
  { name: 'content-type', value: bytes100.subarray(0, 10) },
]
const plain: Content = { key: null, value: bytes100 }
const keyed: Content = { key: bytes16, value: bytes84 }
const headed: Content = { ...plain, headers }

export const room: Room = {
  name: 'batch',
  cases: [
    encoding('batch encode, 100 B bytes', plain),
    encoding('batch encode, 100 B ASCII text', { key: null, value: decoder.decode(bytes100) }),
    encoding('batch encode, 100 B other text', {
      key: null,
      value: decoder.decode(new TextEncoder().encode('ä'.repeat(50))),
    }),
    encoding('batch encode, 16 B key, 84 B value, bytes', keyed),
    encoding('batch encode, 16 B key, 84 B value, text', {
      key: decoder.decode(bytes16),
      value: decoder.decode(bytes84),
    }),
    encoding('batch encode, 100 B bytes, 2 headers', headed),
    encoding('batch encode, 1 KiB bytes', { key: null, value: new Uint8Array(1_024) }),
    { name: 'batch encode, 1 record', operation: 'a batch', clock: 'cpu', prepare: prepareLone },
    checking('batch check, 100 B', plain),
    checking('batch check, 100 B, 2 headers', headed),
    decoding('batch decode, 100 B', plain),
    decoding('batch decode, 16 B key, 84 B value', keyed),
    decoding('batch decode, 100 B, 2 headers', headed),
    { name: 'varint write, 1 to 5 bytes', operation: 'a varint', clock: 'cpu', prepare: prepareVarintWriting },
    { name: 'varint read, 1 to 5 bytes', operation: 'a varint', clock: 'cpu', prepare: prepareVarintReading },
  ],
}

function build({ key, value, headers: own }: Content): Built {
  const builder = new BatchBuilder({ bytesMax: batchBytes, compression: 'none', codec: null })
  while (builder.tryAppend(key, value, own ?? null, now + (builder.recordCount & 7)));
  return { batch: builder.finish() as Uint8Array, records: builder.recordCount }
}

function encoding(name: string, content: Content): Case {
  const run = (): number => {
    const { batch, records } = build(content)
    keep(batch)
    return records
  }
  return { name, operation: 'a record', clock: 'cpu', prepare: () => ({ run, reference: arithmetic }) }
}

function prepareLone(): Prepared {
  const run = (): number => {
    const builder = new BatchBuilder({ bytesMax: batchBytes, compression: 'none', codec: null })
    builder.tryAppend(null, bytes100, null, now)
    keep(builder.finish())
    return 1
  }
  return { run, reference: objects }
}

/** What a broker does with a batch before it takes it. */
function checking(name: string, content: Content): Case {
  const prepare = (): Prepared => {
    const { batch, records } = build(content)
    const run = (): number => {
      if (isFailure(checkProducedBatch(batch, { sizeMax: batchBytes }))) throw new Error('refused')
      return records
    }
    return { run, reference: checksumOf(batch, records) }
  }
  return { name, operation: 'a record', clock: 'cpu', prepare }
}

function decoding(name: string, content: Content): Case {
  const prepare = (): Prepared => {
    const { batch } = build(content)
    return { run: () => (decodeBatch(batch, noCodecs) as unknown[]).length, reference: objects }
  }
  return { name, operation: 'a record', clock: 'cpu', prepare }
}

/** Most are short, as lengths and deltas are. */
function varints(): Int32Array {
  const random = seededRandom(1)
  const bitsOf = [6, 6, 6, 6, 13, 13, 20, 31]
  return Int32Array.from({ length: 1_000 }, (_, at) => random.nextInt(2 ** bitsOf[at % bitsOf.length]!))
}

function prepareVarintWriting(): Prepared {
  const values = varints()
  const target = new Uint8Array(5 * values.length)
  const run = (): number => {
    let at = 0
    for (const value of values) at = writeVarint(target, at, value)
    keep(at)
    return values.length
  }
  return { run, reference: arithmetic }
}

function prepareVarintReading(): Prepared {
  const values = varints()
  const written = new Uint8Array(5 * values.length)
  let end = 0
  for (const value of values) end = writeVarint(written, end, value)
  const run = (): number => {
    const reader = new VarintReader(written, 0, end)
    let sum = 0
    while (reader.at < end) sum ^= reader.readVarint()
    keep(sum)
    return values.length
  }
  return { run, reference: arithmetic }
}
