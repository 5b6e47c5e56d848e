/** What a broker refuses of a produced batch, and what readers refuse of a stored one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch, splitBatches } from '../../src/protocol/batch/decoder.ts'
import { attribute, type BatchHeader, batchHeaderBytes, position, writeInt64 } from '../../src/protocol/batch/header.ts'
import { stampLogAppendTime } from '../../src/protocol/batch/stamp.ts'
import { ApiError, type ErrorName, isFailure } from '../../src/protocol/errors.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { buildBatch, concat, forged, noCodecs, threeRecordBatch } from './batch-fixtures.ts'

const good = threeRecordBatch()
const sizeMax = 1 << 20
type Change = (bytes: Uint8Array, view: DataView) => Uint8Array | void
const set =
  (offset: number, ...values: number[]): Change =>
  bytes =>
    bytes.set(values, batchHeaderBytes + offset)
const forge = (change: Change): Uint8Array => forged(good, change)
const count =
  (recordCount: number, lastOffsetDelta = recordCount - 1): Change =>
  (_, view) => {
    view.setInt32(position.recordCount, recordCount)
    view.setInt32(position.lastOffsetDelta, lastOffsetDelta)
  }
const attributes =
  (value: number): Change =>
  (_, view) =>
    view.setInt16(position.attributes, value)
const int64 =
  (at: number, value: number): Change =>
  (_, view) =>
    writeInt64(view, at, value)

// Positions in the records of the good batch: see "a batch by hand" in batch-kafka.test.ts.
const cases: ReadonlyArray<[name: string, bytes: Uint8Array, error: ErrorName, says: RegExp]> = [
  ['nothing', new Uint8Array(0), 'CORRUPT_MESSAGE', /header/],
  ['half a header', good.subarray(0, 60), 'CORRUPT_MESSAGE', /header/],
  ['a header and half the records', good.subarray(0, 70), 'CORRUPT_MESSAGE', /longer/],
  ['a wrong CRC', good.map((b, i) => (i === 80 ? b ^ 1 : b)), 'CORRUPT_MESSAGE', /CRC/],
  ['a negative length', changed(position.batchLength, 0xff), 'CORRUPT_MESSAGE', /length/],
  ['a length below the header', changed(position.batchLength + 3, 48), 'CORRUPT_MESSAGE', /length/],
  ['a huge length', changed(position.batchLength, 0x7f), 'CORRUPT_MESSAGE', /longer/],
  ['magic 1', changed(position.magic, 1), 'UNSUPPORTED_FOR_MESSAGE_FORMAT', /version 1/],
  ['two batches', concat(good, good), 'INVALID_RECORD', /more than one/],
  ['a byte behind the batch', concat(good, new Uint8Array(1)), 'INVALID_RECORD', /more than one/],
  ['a byte behind the records', forge(b => concat(b, new Uint8Array(1))), 'INVALID_RECORD', /behind the last/],
  ['codec 5', forge(attributes(5)), 'UNSUPPORTED_COMPRESSION_TYPE', /codec/],
  ['LogAppendTime', forge(attributes(attribute.logAppendTime)), 'INVALID_TIMESTAMP', /LogAppendTime/],
  ['a transaction', forge(attributes(attribute.transactional)), 'INVALID_RECORD', /transactional/],
  ['a control batch', forge(attributes(attribute.control)), 'INVALID_RECORD', /control/],
  ['an unknown attribute', forge(attributes(0x4000)), 'INVALID_RECORD', /unknown/],
  ['no records', forge(count(0)), 'INVALID_RECORD', /no records/],
  ['a negative count', forge(count(-1)), 'INVALID_RECORD', /no records/],
  ['fewer records than there are', forge(count(2)), 'INVALID_RECORD', /behind the last/],
  ['more records than there are', forge(count(4)), 'INVALID_RECORD', /varint/],
  ['a count the bytes cannot hold', forge(count(0x7fff_ffff)), 'INVALID_RECORD', /too short/],
  ['a lying last offset', forge(count(3, 5)), 'INVALID_RECORD', /last offset/],
  ['a lying offset delta', forge(set(11, 4)), 'INVALID_RECORD', /offset deltas/],
  ['a negative offset delta', forge(set(3, 1)), 'INVALID_RECORD', /offset deltas/],
  ['a base timestamp of -2', forge(int64(position.baseTimestamp, -2)), 'INVALID_TIMESTAMP', /out of range/],
  ['a timestamp of 2^62', forge(int64(position.maxTimestamp, 2 ** 62)), 'INVALID_TIMESTAMP', /out of range/],
  ['a largest timestamp too high', forge(int64(position.maxTimestamp, 1006)), 'INVALID_TIMESTAMP', /largest/],
  ['a largest timestamp too low', forge(int64(position.maxTimestamp, 1004)), 'INVALID_TIMESTAMP', /largest/],
  ['a record before 1970', forge(int64(position.baseTimestamp, 5)), 'INVALID_TIMESTAMP', /of a record/],
  ['a producer id of -2', forge(int64(position.producerId, -2)), 'INVALID_RECORD', /producer id/],
  ['a producer id without epoch', forge(int64(position.producerId, 7)), 'INVALID_RECORD', /without/],
  ['a negative record length', forge(set(0, 1)), 'INVALID_RECORD', /length/],
  ['a record length of 5', forge(set(0, 10)), 'INVALID_RECORD', /length/],
  ['a record longer than the batch', forge(set(18, 0x7e)), 'INVALID_RECORD', /length/],
  ['a record length of six bytes', forge(set(0, 0x80, 0x80, 0x80, 0x80, 0x80, 1)), 'INVALID_RECORD', /varint/],
  ['a key of length -2', forge(set(4, 3)), 'INVALID_RECORD', /length/],
  ['a value longer than its record', forge(set(5, 0x10)), 'INVALID_RECORD', /length/],
  ['a value shorter than its record', forge(set(5, 0, 0, 0)), 'INVALID_RECORD', /longer than what is in it/],
  ['a negative number of headers', forge(set(7, 1)), 'INVALID_RECORD', /negative/],
  ['headers that are not there', forge(set(7, 0x7e)), 'INVALID_RECORD', /varint/],
  ['a header without a name', forge(set(26, 1)), 'INVALID_RECORD', /UTF-8/],
  ['a header name that is not UTF-8', forge(set(27, 0xff)), 'INVALID_RECORD', /UTF-8/],
]

function changed(at: number, value: number): Uint8Array {
  const bytes = good.slice()
  bytes[at] = value
  return bytes
}

test('the good batch is accepted', () => {
  const header = checkProducedBatch(good, { sizeMax }) as BatchHeader
  assert.equal(header.recordCount, 3)
  assert.equal(header.sizeBytes, good.length)
})

for (const [name, bytes, error, says] of cases) {
  test(`refused: ${name}`, () => {
    const result = checkProducedBatch(bytes, { sizeMax })
    assert(isFailure(result))
    assert.equal(result.error, error)
    assert.match(result.message, says)
  })
}

test('refused: larger than max.message.bytes, before anything is read', () => {
  const result = checkProducedBatch(new Uint8Array(1001), { sizeMax: 1000 })
  assert(isFailure(result))
  assert.equal(result.error, 'MESSAGE_TOO_LARGE')
})

// A broker's own leniency (it stamps, it compacts) is a reader's; what damages records is not.
const readable = new Set([
  'LogAppendTime',
  'a transaction',
  'a control batch',
  'an unknown attribute',
  'a lying last offset',
])
const unread = cases.filter(
  ([, , error, says]) => error !== 'INVALID_TIMESTAMP' && !/producer id|without|largest|UTF-8/.test(says.source),
)
for (const [name, bytes] of unread.filter(([name]) => !readable.has(name) && name !== 'no records')) {
  test(`a reader refuses: ${name}`, () => {
    assert.throws(
      () => void decodeBatch(bytes, noCodecs),
      error => error instanceof ProtocolError || error instanceof ApiError,
    )
  })
}

test('a reader accepts gaps between offsets, but only rising ones within the batch', () => {
  const gaps = forge((b, view) => {
    set(11, 6)(b, view)
    set(21, 14)(b, view)
    view.setInt32(position.lastOffsetDelta, 7)
    view.setInt32(position.baseOffset + 4, 100)
  })
  assert.deepEqual(
    (decodeBatch(gaps, noCodecs) as Array<{ offset: number }>).map(r => r.offset),
    [100, 103, 107],
  )
  assert.throws(() => void decodeBatch(forge(set(11, 0)), noCodecs), /offset delta above 0/)
})

test('a batch of compressed nonsense, of a bomb, of a missing codec', async () => {
  const codec = (decompress: () => Uint8Array | Promise<Uint8Array>) => ({
    ...noCodecs,
    gzip: { compress: gzipSync, decompress },
  })
  const zipped = forge(attributes(1))
  assert(!isFailure(checkProducedBatch(zipped, { sizeMax })), 'the broker does not look into it')
  const broken = new Error('incorrect header check')
  const fails = codec(() => {
    throw broken
  })
  assert.throws(
    () => void decodeBatch(zipped, fails),
    error => error instanceof ProtocolError && error.cause === broken,
  )
  await assert.rejects(
    async () =>
      decodeBatch(
        zipped,
        codec(() => Promise.reject(broken)),
      ),
    ProtocolError,
  )
  assert.throws(
    () =>
      void decodeBatch(
        zipped,
        codec(() => new Uint8Array(3)),
      ),
    ProtocolError,
  )
  assert.throws(
    () => void decodeBatch(zipped, noCodecs),
    error => error instanceof ApiError && error.code === 'UNSUPPORTED_COMPRESSION_TYPE',
  )
  assert.equal(
    (
      await decodeBatch(
        zipped,
        codec(() => Promise.resolve(good.subarray(batchHeaderBytes))),
      )
    ).length,
    3,
  )
})

test('the codec is told how much may come out', () => {
  let sizeMax = 0
  const decompress = (_: Uint8Array, max: number): Uint8Array => {
    sizeMax = max
    return good.subarray(batchHeaderBytes)
  }
  const gzip = { compress: gzipSync, decompress }
  assert.equal((decodeBatch(forge(attributes(1)), { ...noCodecs, gzip }) as unknown[]).length, 3)
  assert.equal(sizeMax, 64 * 1024 * 1024)
})

test('stamping LogAppendTime keeps the batch whole and dates every record', () => {
  const before = buildBatch([{ key: null, value: 'x', headers: null, timestamp: 5 }]) as Uint8Array
  const bytes = concat(new Uint8Array(3), good, before)
  stampLogAppendTime(bytes, 3, 1_770_000_000_000)
  const stamped = bytes.subarray(3, 3 + good.length)
  const records = decodeBatch(stamped, noCodecs) as Array<{ timestamp: number }>
  assert.deepEqual(
    records.map(r => r.timestamp),
    [1_770_000_000_000, 1_770_000_000_000, 1_770_000_000_000],
  )
  assert.deepEqual(bytes.subarray(3 + good.length), before, 'the neighbour is untouched')
})

test('splitBatches: views of whole batches; a torn tail is left out, a lying length is an error', () => {
  const other = buildBatch([{ key: 'x', value: 'y', headers: null, timestamp: 5 }]) as Uint8Array
  const bytes = concat(good, other, good.subarray(0, 70))
  const batches = splitBatches(bytes)
  assert.deepEqual(batches, [bytes.subarray(0, good.length), bytes.subarray(good.length, good.length + other.length)])
  assert.equal(batches[0]!.buffer, bytes.buffer)
  assert.deepEqual(splitBatches(concat(good, good.subarray(0, 30))), [good])
  assert.deepEqual(splitBatches(new Uint8Array(0)), [])
  for (const length of [0, 48]) {
    const lying = concat(good, changed(position.batchLength + 3, length))
    assert.throws(() => splitBatches(lying), ProtocolError)
  }
})
