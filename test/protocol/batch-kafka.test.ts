/** Our record batches against kafkajs's encoder and decoder, which nobody here wrote, and against bytes by hand. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import { readBatchHeader } from '../../src/protocol/batch/header.ts'
import type { Codecs } from '../../src/protocol/batch/types.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { buildBatch, noCodecs, threeRecordBatch } from './batch-fixtures.ts'

const require = createRequire(import.meta.url)
const kafka = {
  Record: require('kafkajs/src/protocol/recordBatch/record/v0/index.js'),
  RecordBatch: require('kafkajs/src/protocol/recordBatch/v0/index.js').RecordBatch,
  decode: require('kafkajs/src/protocol/recordBatch/v0/decoder.js'),
  Decoder: require('kafkajs/src/protocol/decoder.js'),
  Long: require('kafkajs/src/utils/long.js'),
}
const codecs: Codecs = {
  ...noCodecs,
  gzip: {
    compress: bytes => gzipSync(bytes),
    decompress: (bytes, sizeMax) => gunzipSync(bytes, { maxOutputLength: sizeMax }),
  },
}
const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

const messages = [
  { key: null, value: 'first', headers: {}, timestamp: 1_760_000_000_000 },
  { key: 'kéy', value: '', headers: { trace: 'abc', sort: 'x' }, timestamp: 1_760_000_000_250 },
  { key: '', value: null, headers: {}, timestamp: 1_760_000_000_100 },
  { key: 'k', value: '😀'.repeat(100), headers: { h: '' }, timestamp: 1_760_000_000_090 },
]

async function kafkaBatch(compression: number): Promise<Uint8Array> {
  const records = messages.map((m, i) => {
    const value = m.value === null ? null : Buffer.from(m.value)
    const key = m.key === null ? null : Buffer.from(m.key)
    return kafka.Record({
      key,
      value,
      headers: m.headers,
      offsetDelta: i,
      timestampDelta: m.timestamp - messages[0]!.timestamp,
    })
  })
  const encoder = await kafka.RecordBatch({
    compression,
    records,
    firstTimestamp: messages[0]!.timestamp,
    maxTimestamp: messages[1]!.timestamp,
    lastOffsetDelta: records.length - 1,
    producerEpoch: -1,
    firstSequence: -1,
    partitionLeaderEpoch: -1,
  })
  return new Uint8Array(encoder.buffer)
}

function ourBatch(compression: 'none' | 'gzip'): Uint8Array {
  const records = messages.map(m => ({
    ...m,
    headers: Object.entries(m.headers).map(([name, value]) => ({ name, value: new TextEncoder().encode(value) })),
  }))
  return buildBatch(records, { compression, codec: codecs.gzip }) as Uint8Array
}

test('an uncompressed batch is kafkajs’s, byte for byte', async () => {
  assert.deepEqual([...ourBatch('none')], [...(await kafkaBatch(0))])
})

for (const [name, compression] of [
  ['none', 0],
  ['gzip', 1],
] as const) {
  test(`kafkajs’s batch (${name}) is accepted and read`, async () => {
    const batch = await kafkaBatch(compression)
    const header = checkProducedBatch(batch, { sizeMax: 1 << 20 })
    assert(!isFailure(header))
    assert.equal((header as { recordCount: number }).recordCount, messages.length)
    const records = await decodeBatch(batch, codecs)
    assert.deepEqual(
      records.map(r => ({
        key: text(r.key),
        value: text(r.value),
        headers: Object.fromEntries(r.headers.map(h => [h.name, text(h.value)])),
        timestamp: r.timestamp,
      })),
      messages,
    )
  })

  test(`our batch (${name}) is read by kafkajs`, async () => {
    const { records, ...header } = await kafka.decode(new kafka.Decoder(Buffer.from(ourBatch(name))))
    assert.equal(header.lastOffsetDelta, messages.length - 1)
    assert.equal(header.maxTimestamp, String(messages[1]!.timestamp))
    assert.deepEqual(
      records.map((r: Record<string, never>) => ({
        key: text(r.key!),
        value: text(r.value!),
        headers: Object.fromEntries(Object.entries(r.headers!).map(([k, v]) => [k, text(v as Uint8Array)])),
        timestamp: Number(r.timestamp),
      })),
      messages,
    )
  })
}

test('a batch by hand', () => {
  const expected = [
    ...[0, 0, 0, 0, 0, 0, 0, 0], // baseOffset
    ...[0, 0, 0, 82], // batchLength
    ...[0xff, 0xff, 0xff, 0xff], // leaderEpoch -1
    2, // magic
    ...[0, 0, 0, 0], // crc, compared apart
    ...[0, 0], // attributes
    ...[0, 0, 0, 2], // lastOffsetDelta
    ...[0, 0, 0, 0, 0, 0, 0x03, 0xe8], // baseTimestamp 1000
    ...[0, 0, 0, 0, 0, 0, 0x03, 0xed], // maxTimestamp 1005
    ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // producerId -1
    ...[0xff, 0xff], // producerEpoch -1
    ...[0xff, 0xff, 0xff, 0xff], // baseSequence -1
    ...[0, 0, 0, 3], // recordCount
    ...[14, 0, 0, 0, 1, 2, 0x61, 0], // null key, 'a'
    ...[18, 0, 10, 2, 2, 0x6b, 4, 0x62, 0x62, 0], // +5 ms, offset 1, 'k', 'bb'
    ...[28, 0, 19, 4, 2, 0x6b, 1, 4, 2, 0x68, 2, 7, 2, 0x6e, 1], // -10 ms, offset 2, tombstone, h=7, n=null
  ]
  const batch = threeRecordBatch()
  assert.equal(readBatchHeader(batch, 0).sizeBytes, batch.length)
  const withoutCrc = [...batch.fill(0, 17, 21)]
  assert.deepEqual(withoutCrc, expected)
})
