/**
 * Seeded mutations of valid frames and batches. A decoder may refuse with a `ProtocolError` (or a `Failure`) and
 * nothing else; what it accepts must mean the same to another decoder, and the same after encoding it again.
 */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Api } from '../../src/protocol/api.ts'
import { apis, peerApis, produce } from '../../src/protocol/apis/index.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { checkProducedBatch } from '../../src/protocol/batch/check.ts'
import { decodeBatch, splitBatches } from '../../src/protocol/batch/decoder.ts'
import type { DecodedRecord } from '../../src/protocol/batch/types.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { decodeRequestEnvelope, encodeRequest } from '../../src/protocol/frame.ts'
import { requestFrameLimits } from '../../src/protocol/prescan.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { seededRandom } from '../../src/util/random.ts'
import { runs } from '../support/depth.ts'
import { arbitraryOf, arbitraryRecords } from './arbitrary.ts'
import { buildBatch, forged, noCodecs } from './batch-fixtures.ts'
import { mutate } from './mutate.ts'

const { Unpackr } = createRequire(import.meta.url)('msgpackr')
const oracle = new Unpackr({ useRecords: false, int64AsType: 'number' })
const kafkaDecode = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/v0/decoder.js')
const KafkaDecoder = createRequire(import.meta.url)('kafkajs/src/protocol/decoder.js')

const seed = 20_261

/** The value, or `null` when it was refused in an orderly way. */
function orderly<T>(run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof ProtocolError) return null
    throw error
  }
}

for (const api of [...apis, ...peerApis] as readonly Api[]) {
  test(`mutated ${api.name} requests`, () => {
    const random = seededRandom(seed + api.key)
    const bodies = fc.sample(arbitraryOf(api.request, api.versionMax), { numRuns: runs(40), seed })
    let accepted = 0
    for (const body of bodies) {
      const valid = encodeRequest(api, api.versionMax, 3, body)
      for (let i = 0; i < 50; i++) {
        const frame = mutate(valid, random)
        const envelope = orderly(() => decodeRequestEnvelope(frame, requestFrameLimits))
        if (envelope === null) continue
        const theirs = oracle.unpack(Buffer.from(frame))
        assert.deepEqual(theirs, [envelope.apiKey, envelope.apiVersion, envelope.correlationId, buffers(envelope.body)])
        const decoded = orderly(() => api.request.decode(envelope.body, api.versionMax, api.name))
        if (decoded === null) continue
        accepted++
        const again = decodeRequestEnvelope(encodeRequest(api, api.versionMax, 3, decoded), requestFrameLimits)
        assert.deepEqual(buffers(api.request.decode(again.body, api.versionMax, api.name)), buffers(decoded))
      }
    }
    assert(accepted > 0, 'a fuzzer whose every mutation is refused tests little')
  })
}

/** The oracle hands out Buffers. */
function buffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(buffers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, buffers(v)]))
}

test('random bytes as frames', () => {
  const random = seededRandom(seed)
  for (let i = 0; i < 20_000; i++) {
    const frame = random.nextBytes(random.nextInt(40))
    orderly(() => decodeRequestEnvelope(frame, requestFrameLimits))
    frame[0] = 0x94
    frame[3] = 0x93
    const envelope = orderly(() => decodeRequestEnvelope(frame, requestFrameLimits))
    if (envelope !== null) orderly(() => produce.request.decode(envelope.body, 0, 'ProduceRequest'))
  }
})

function rebuilt(records: DecodedRecord[]): DecodedRecord[] {
  const builder = new BatchBuilder({ bytesMax: 1 << 24, compression: 'none', codec: null })
  for (const r of records) assert(builder.tryAppend(r.key, r.value, r.headers, r.timestamp))
  return decodeBatch(builder.finish() as Uint8Array, noCodecs) as DecodedRecord[]
}

test('mutated batches, their CRC made right again', async () => {
  const random = seededRandom(seed)
  let accepted = 0
  for (const records of fc.sample(arbitraryRecords, { numRuns: runs(150), seed })) {
    const valid = buildBatch(records) as Uint8Array
    for (let i = 0; i < 60; i++) {
      // Mostly the records: a wound in the header is refused early.
      const from = random.nextInt(4) === 0 ? 21 : 61
      const wounded = mutate(valid.subarray(from), random)
      const batch = forged(valid, bytes => Uint8Array.from([...bytes.subarray(0, from), ...wounded]))
      const result = batch.length < 61 ? null : checkProducedBatch(batch, { sizeMax: 1 << 20 })
      const decoded = orderly(() => ((batch[22]! & 7) === 0 ? (decodeBatch(batch, noCodecs) as DecodedRecord[]) : null))
      if (result === null || isFailure(result) || (result.attributes & 7) !== 0) continue
      accepted++
      assert(decoded !== null, 'what a broker accepts, a reader must be able to read')
      assert.equal(decoded.length, result.recordCount)
      if (decoded.every(r => r.timestamp >= 0)) assert.deepEqual(rebuilt(decoded), decoded)
      const theirs = await kafkaDecode(new KafkaDecoder(Buffer.from(batch)))
      assert.deepEqual(
        theirs.records.map((r: Record<string, never>) => [r.key, r.value, Number(r.timestamp), Number(r.offset)]),
        decoded.map(r => [buffers(r.key), buffers(r.value), r.timestamp, r.offset]),
      )
    }
  }
  assert(accepted > 100, 'a fuzzer whose every mutation is refused tests little')
})

test('mutated batches as they are, and random bytes', () => {
  const random = seededRandom(seed)
  for (const records of fc.sample(arbitraryRecords, { numRuns: runs(50), seed })) {
    const valid = buildBatch(records) as Uint8Array
    for (let i = 0; i < 40; i++) {
      const bytes = i % 4 === 0 ? random.nextBytes(random.nextInt(200)) : mutate(valid, random)
      const result = checkProducedBatch(bytes, { sizeMax: 1 << 20 })
      const isSame =
        bytes.length === valid.length && bytes.every((b, at) => b === valid[at] || at < 8 || (at >= 12 && at < 16))
      assert(isFailure(result) || isSame, 'nothing inside the CRC may change unnoticed')
      orderly(() => void decodeBatch(bytes, noCodecs))
      orderly(() => splitBatches(bytes))
    }
  }
})
