import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { emptyImage } from '../../src/metadata/cluster-image.ts'
import { deltaBetween } from '../../src/metadata/delta.ts'
import { ImageBuilder, replay, replayAll } from '../../src/metadata/replay.ts'
import { imageHash, restoreSnapshot, snapshotChunks, writeSnapshot } from '../../src/metadata/snapshot.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { crc32c } from '../../src/util/crc32c.ts'
import { CorruptionError } from '../../src/util/errors.ts'
import { runs } from '../support/depth.ts'
import { operation, plain, recordsOf } from './history.ts'

const history = fc.array(operation, { maxLength: 60 })

test('replaying a prefix and restoring its snapshot make the same image', () => {
  fc.assert(
    fc.property(history, fc.double({ min: 0, max: 1, noNaN: true }), (operations, where) => {
      const records = recordsOf(operations)
      const cut = Math.floor(records.length * where)
      const prefix = replayAll(emptyImage, records.slice(0, cut))
      const restored = restoreSnapshot(writeSnapshot(prefix))
      assert.deepEqual(plain(restored), plain(prefix))
      assert.equal(imageHash(restored), imageHash(prefix))
      // And the rest of the log leads both to the same place.
      const suffix = records.slice(cut)
      assert.deepEqual(plain(replayAll(restored, suffix)), plain(replayAll(prefix, suffix)))
    }),
    { numRuns: runs(200) },
  )
})

test('one record at a time and all in one batch make the same image; the older images stay what they were', () => {
  fc.assert(
    fc.property(history, operations => {
      const records = recordsOf(operations)
      const images = [emptyImage]
      for (const [offset, record] of records.entries()) images.push(replay(images.at(-1)!, record, offset))
      assert.deepEqual(plain(images.at(-1)!), plain(replayAll(emptyImage, records)))
      const half = records.length >> 1
      assert.deepEqual(plain(images[half]!), plain(replayAll(emptyImage, records.slice(0, half))))
    }),
    { numRuns: runs(100) },
  )
})

test('the delta of a batch is what the images differ by', () => {
  fc.assert(
    fc.property(history, fc.nat(), (operations, at) => {
      const records = recordsOf(operations)
      const cut = at % records.length
      const before = replayAll(emptyImage, records.slice(0, cut))
      const builder = new ImageBuilder(before)
      for (const record of records.slice(cut)) builder.replay(record)
      const { image, delta } = builder.finish()
      const difference = deltaBetween(before, image)
      // A change that was taken back within the batch may be named; nothing that differs may be missing.
      const isNamed = (kind: keyof typeof delta): boolean =>
        [...(difference[kind] as ReadonlySet<unknown>)].every(id => (delta[kind] as ReadonlySet<unknown>).has(id))
      assert(isNamed('changedTopicIds') && isNamed('changedBrokers') && isNamed('changedBrokerConfigs'))
      assert.deepEqual(delta.deletedTopicIds, difference.deletedTopicIds)
      for (const id of delta.changedTopicIds) assert(image.topics.byId.has(id))
    }),
    { numRuns: runs(200) },
  )
})

test('different contents have different hashes', () => {
  const records = recordsOf([{ kind: 'register', id: 1, incarnation: 1, rack: null, hasItsLogs: false }])
  const hashes = records.map((_, at) => imageHash(replayAll(emptyImage, records.slice(0, at))))
  assert.equal(new Set(hashes).size, hashes.length)
})

const sample = replayAll(
  emptyImage,
  recordsOf([
    { kind: 'register', id: 1, incarnation: 1, rack: 'r', hasItsLogs: false },
    {
      kind: 'create',
      topics: [{ name: 'a', numPartitions: 30, replicationFactor: 1, assignments: null, configs: [] }],
      session: { clientId: 'c', requestId: 1 },
      seed: 1,
    },
  ]),
)

test('a flipped bit anywhere is found', () => {
  const bytes = writeSnapshot(sample)
  for (let bit = 0; bit < bytes.length * 8; bit += 7) {
    const damaged = bytes.slice()
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => restoreSnapshot(damaged), CorruptionError)
  }
})

test('a snapshot that was cut short, or has something behind it, is refused', () => {
  const bytes = writeSnapshot(sample)
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => restoreSnapshot(bytes.subarray(0, length)), CorruptionError)
  }
  assert.throws(() => restoreSnapshot(Uint8Array.from([...bytes, 0])), CorruptionError)
})

test('chunks that are whole but do not belong together are refused', () => {
  const chunks = [...snapshotChunks(sample)]
  const [header, records, end] = chunks
  assert.equal(chunks.length, 3)
  const join = (...parts: (Uint8Array | undefined)[]): Uint8Array => Uint8Array.from(parts.flatMap(part => [...part!]))
  assert.equal(imageHash(restoreSnapshot(join(header, records, end))), imageHash(sample))
  assert.throws(() => restoreSnapshot(join(header, end)), /does not match the records/)
  assert.throws(() => restoreSnapshot(join(records, end)), /found a chunk other than 'header'/)
  assert.throws(() => restoreSnapshot(join(header, records, records, end)), CorruptionError)
  assert.throws(() => restoreSnapshot(join(chunkOf(['header', 2, 0]), end)), /format 2 is not known/)
  assert.throws(() => restoreSnapshot(join(chunkOf(['header', 1, 0.5]), end)), /last offset/)
  assert.throws(() => restoreSnapshot(join(header, chunkOf(['records', 5]), end)), /not an array/)
  assert.throws(() => restoreSnapshot(join(header, chunkOf(7), end)), /not an array/)
  assert.throws(() => restoreSnapshot(join(header, chunkOf(['records', [[99, 0, []]]]), end)), /99/)
})

test('a large image is written in chunks of bounded size', () => {
  const topics = Array.from({ length: 20 }, (_, i) => `t${i}`).map(name => ({
    name,
    numPartitions: 500,
    replicationFactor: 1,
    assignments: null,
    configs: [],
  }))
  const image = replayAll(
    emptyImage,
    recordsOf([
      { kind: 'register', id: 1, incarnation: 1, rack: null, hasItsLogs: false },
      { kind: 'create', topics, session: null, seed: 3 },
    ]),
  )
  const chunks = [...snapshotChunks(image)]
  assert.equal(image.topics.partitionCount, 10_000)
  assert(chunks.length > 10)
  for (const chunk of chunks) assert(chunk.length < 128 * 1024)
  assert.equal(imageHash(restoreSnapshot(writeSnapshot(image))), imageHash(image))
})

function chunkOf(payload: unknown): Uint8Array {
  const packed = pack(payload)
  const chunk = new Uint8Array(8 + packed.length)
  new DataView(chunk.buffer).setUint32(0, packed.length)
  new DataView(chunk.buffer).setUint32(4, crc32c(packed, 0, packed.length))
  chunk.set(packed, 8)
  return chunk
}
