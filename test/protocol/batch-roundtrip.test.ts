/** Whatever goes into a batch comes out of it, through every door: builder, checker, decoder, codec, plain records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { unpackToPlain } from '../../src/broker/unpack-records.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import { attribute, type BatchHeader, patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import { packPlainRecords } from '../../src/protocol/batch/plain.ts'
import type { Codec, DecodedRecord } from '../../src/protocol/batch/types.ts'
import { ApiError, isFailure } from '../../src/protocol/errors.ts'
import { runs } from '../support/depth.ts'
import { arbitraryRecords, blobBytes, type TestRecord } from './arbitrary.ts'
import { buildBatch, forged, noCodecs, threeRecordBatch } from './batch-fixtures.ts'

const expected = (records: readonly TestRecord[], baseOffset: number): DecodedRecord[] =>
  records.map(({ key, value, headers, timestamp }, i) => ({
    offset: baseOffset + i,
    timestamp,
    key: blobBytes(key),
    value: blobBytes(value),
    headers: (headers ?? []).map(header => ({ ...header, name: header.name })),
  }))

/** Flips every bit: enough to see that the records, and only they, go through the codec. */
const flip = (bytes: Uint8Array): Uint8Array => bytes.map(byte => ~byte)
const flipping: Codec = { compress: flip, decompress: flip }
const bytesMax = 1 << 20
const flippingLater: Codec = { compress: async b => flip(b), decompress: async b => flip(b) }

test('any records, uncompressed: accepted, counted, read back', () => {
  fc.assert(
    fc.property(arbitraryRecords, fc.nat(), (records, baseOffset) => {
      const batch = buildBatch(records) as Uint8Array
      const header = checkProducedBatch(batch, { sizeMax: batch.length }) as BatchHeader
      assert(!isFailure(header), JSON.stringify(header))
      assert.equal(header.recordCount, records.length)
      assert.equal(header.maxTimestamp, Math.max(...records.map(r => r.timestamp)))
      patchBatch(batch, 0, baseOffset, 3)
      assert.deepEqual(decodeBatch(batch, noCodecs), expected(records, baseOffset))
    }),
    { numRuns: runs(1000) },
  )
})

test('any records through a codec, now or later', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryRecords, fc.boolean(), async (records, isLater) => {
      const codec = isLater ? flippingLater : flipping
      const built = buildBatch(records, { compression: 'zstd', codec })
      assert.equal(built instanceof Promise, isLater)
      const batch = await built
      assert(!isFailure(checkProducedBatch(batch, { sizeMax: batch.length })))
      assert.equal(readBatchHeader(batch, 0).attributes, 4)
      assert.deepEqual(await decodeBatch(batch, { ...noCodecs, zstd: codec }), expected(records, 0))
    }),
  )
})

test('any records as plain records', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryRecords, async records => {
      const plain = records.map(r => ({ ...r, headers: r.headers ?? [] }))
      const batch = packPlainRecords(plain, 0)
      assert.deepEqual((await unpackToPlain([batch], noCodecs, { bytesMax })).records, expected(records, 0))
    }),
  )
})

test('records below 8 KiB of any text length have lengths that fit', () => {
  // Around every length at which a varint grows, in ASCII and not.
  for (const unit of ['x', 'é', '€', '😀', '\ud800']) {
    for (const length of [0, 1, 31, 32, 63, 64, 65, 127, 128, 1365, 4095, 4096, 8191, 8192, 16_384]) {
      const value = unit.repeat(length)
      const batch = buildBatch([{ key: unit, value, headers: null, timestamp: 1 }]) as Uint8Array
      assert(!isFailure(checkProducedBatch(batch, { sizeMax: batch.length })))
      assert.deepEqual((decodeBatch(batch, noCodecs) as DecodedRecord[])[0]!.value, blobBytes(value))
    }
  }
})

test('the builder: a first record always fits, a full batch refuses and stays whole', () => {
  const builder = new BatchBuilder({ bytesMax: 200, compression: 'none', codec: null })
  assert.equal(builder.sizeBytes, 61)
  assert(builder.tryAppend(null, new Uint8Array(1000), null, 1))
  assert(!builder.tryAppend(null, 'x', null, 2))
  assert.equal(builder.recordCount, 1)
  const batch = builder.finish() as Uint8Array
  assert.equal(batch.length, builder.sizeBytes)
  assert.equal((decodeBatch(batch, noCodecs) as unknown[]).length, 1)
})

test('the builder fills up to bytesMax and not a byte further', () => {
  fc.assert(
    fc.property(fc.integer({ min: 62, max: 3000 }), fc.nat(100), fc.boolean(), (bytesMax, length, isText) => {
      const builder = new BatchBuilder({ bytesMax, compression: 'none', codec: null })
      const value = isText ? 'é'.repeat(length) : new Uint8Array(length)
      while (builder.tryAppend(null, value, null, 1));
      const batch = builder.finish() as Uint8Array
      assert(batch.length <= bytesMax || builder.recordCount === 1)
      assert.equal((checkProducedBatch(batch, { sizeMax: 1e6 }) as BatchHeader).recordCount, builder.recordCount)
      assert(batch.length + 2 * length + 12 > bytesMax, 'another record would not have fitted')
    }),
  )
})

test('batches built side by side do not share bytes', () => {
  const builders = Array.from(
    { length: 100 },
    () => new BatchBuilder({ bytesMax: 5000, compression: 'none', codec: null }),
  )
  for (let round = 0; round < 20; round++) {
    for (const [i, builder] of builders.entries()) assert(builder.tryAppend(null, `${i}-${round}`, null, i))
  }
  const batches = builders.map(b => b.finish() as Uint8Array)
  batches.forEach((batch, i) => {
    const values = (decodeBatch(batch, noCodecs) as DecodedRecord[]).map(r => new TextDecoder().decode(r.value!))
    assert.deepEqual(
      values,
      Array.from({ length: 20 }, (_, round) => `${i}-${round}`),
    )
  })
})

test('the builder refuses what no batch may hold, and goes on', () => {
  const builder = new BatchBuilder({ bytesMax: 500, compression: 'none', codec: null })
  for (const timestamp of [-1, 1.5, Number.NaN, 2 ** 53]) {
    assert.throws(
      () => builder.tryAppend(null, 'x', null, timestamp),
      (e: ApiError) => e.code === 'INVALID_TIMESTAMP',
    )
  }
  assert(builder.tryAppend(null, 'x', null, Number.MAX_SAFE_INTEGER))
  assert(builder.tryAppend(null, 'x', null, 0))
  const header = checkProducedBatch(builder.finish() as Uint8Array, { sizeMax: 500 }) as BatchHeader
  assert.equal(header.maxTimestamp, Number.MAX_SAFE_INTEGER)
  assert.throws(() => new BatchBuilder({ bytesMax: 500, compression: 'gzip', codec: null }), ApiError)
})

test('the producer’s identity is in the header', () => {
  const batch = buildBatch([{ key: null, value: null, headers: null, timestamp: 1 }], {
    producerId: 2 ** 40 + 1,
    producerEpoch: 5,
    baseSequence: 77,
  }) as Uint8Array
  const header = checkProducedBatch(batch, { sizeMax: 500 }) as BatchHeader
  assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [2 ** 40 + 1, 5, 77])
})

test('plain records: refused empty; cut by offset and count; control batches left out', async () => {
  assert.throws(
    () => packPlainRecords([], 0),
    (e: ApiError) => e.code === 'INVALID_RECORD',
  )
  const first = threeRecordBatch()
  const second = threeRecordBatch()
  patchBatch(second, 0, 3, 0)
  const control = forged(second, (_, view) => view.setInt16(21, attribute.control))
  const unpack = async (batches: Uint8Array[], options = {}, codecs = noCodecs): Promise<number[]> =>
    (await unpackToPlain(batches, codecs, { bytesMax, ...options })).records.map(record => record.offset)
  assert.deepEqual(await unpack([first, second], { fromOffset: 2, recordsMax: 3 }), [2, 3, 4])
  assert.deepEqual(await unpack([first, control]), [0, 1, 2])
  const packed = await buildBatch([{ key: null, value: 'z', headers: null, timestamp: 1 }], {
    compression: 'lz4',
    codec: flippingLater,
  })
  assert.deepEqual(await unpack([packed, second], {}, { ...noCodecs, lz4: flippingLater }), [0, 3, 4, 5])
  // What is read from a file is one piece, whatever the number of batches.
  assert.deepEqual(await unpack([Buffer.concat([first, second])]), [0, 1, 2, 3, 4, 5])
})

test('plain records: unpacking ends before it is too much, but not before the first batch', async () => {
  let unpacked = 0
  const doubling: Codec = {
    compress: b => b,
    decompress: b => {
      unpacked++
      return Uint8Array.from(b)
    },
  }
  const batches = [0, 1, 2].map(baseOffset => {
    const record = { key: null, value: 'x'.repeat(1_000), headers: null, timestamp: 1 }
    const batch = buildBatch([record], { compression: 'gzip', codec: doubling }) as Uint8Array
    patchBatch(batch, 0, baseOffset, 0)
    return batch
  })
  const count = async (bytesMax: number): Promise<number[]> => {
    unpacked = 0
    const { records, bytes } = await unpackToPlain(batches, { ...noCodecs, gzip: doubling }, { bytesMax })
    assert.ok(bytes >= records.length * 1_000 && (bytes <= bytesMax || records.length === 1))
    return [records.length, unpacked]
  }
  assert.deepEqual(await count(1), [1, 2])
  assert.deepEqual(await count(2_100), [2, 3])
  assert.deepEqual(await count(4_000), [3, 3])
})

test('some of a batch’s records: those before are passed over, those behind are not looked at', () => {
  const batch = threeRecordBatch()
  patchBatch(batch, 0, 10, 0)
  const whole = decodeBatch(batch, noCodecs) as DecodedRecord[]
  for (let fromOffset = 9; fromOffset <= 14; fromOffset++) {
    for (let recordsMax = 0; recordsMax <= 4; recordsMax++) {
      const some = decodeBatch(batch, noCodecs, { fromOffset, recordsMax })
      assert.deepEqual(some, whole.filter(record => record.offset >= fromOffset).slice(0, recordsMax))
    }
  }
})

test('plain records without a timestamp get the broker’s time', () => {
  const batch = packPlainRecords(
    [{ key: null, value: 'v', headers: [{ name: 'h', value: 'ü' }], timestamp: null }],
    1234,
  )
  const [record] = decodeBatch(batch, noCodecs) as DecodedRecord[]
  assert.equal(record!.timestamp, 1234)
  assert.deepEqual(record!.headers, [{ name: 'h', value: new TextEncoder().encode('ü') }])
})
