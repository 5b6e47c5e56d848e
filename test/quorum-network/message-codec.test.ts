/** Every message survives the wire, and no bytes at all get past it that are not one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { snapshotChunk } from '../../src/protocol/apis/snapshot-chunk.ts'
import { decodeRequestEnvelope, encodeRequest } from '../../src/protocol/frame.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { requestFrameLimits } from '../../src/protocol/prescan.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { decodeMessage, encodeMessage } from '../../src/quorum/network/message-codec.ts'
import { chunkBody, chunkOf } from '../../src/quorum/network/snapshot-codec.ts'
import type { SnapshotChunk } from '../../src/quorum/peer-port.ts'
import type { AppendEntries, Message } from '../../src/raft/messages.ts'
import type { Configuration, Entry, SnapshotMeta } from '../../src/raft/types.ts'
import { toLogIndex } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { mutate } from '../protocol/mutate.ts'
import { runs } from '../support/depth.ts'

const count = fc.oneof(
  fc.nat(),
  fc.constantFrom(0, 1, 2 ** 32, 2 ** 40 + 1),
  fc.nat({ max: Number.MAX_SAFE_INTEGER - 10 }),
)
const nodeId = fc.nat({ max: 2 ** 31 - 1 })
const data = fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constantFrom(new Uint8Array(5_000).fill(7)))
const ids = fc.uniqueArray(nodeId, { maxLength: 4 })
const text = fc.string({ maxLength: 20 })

const configuration: Arbitrary<unknown> = fc.record(
  {
    voters: ids,
    oldVoters: ids,
    learners: ids,
    clusterId: text,
    members: fc.array(fc.record({ id: nodeId, diskId: text, url: text }, { noNullPrototype: true }), { maxLength: 3 }),
  },
  { requiredKeys: ['voters', 'oldVoters', 'learners'], noNullPrototype: true },
)
const meta = fc.record({ index: count, term: count, configuration }, { noNullPrototype: true })
const head = { from: nodeId, term: count }

function of<Kind extends Message['kind']>(
  kind: Kind,
  fields: Record<Exclude<keyof Extract<Message, { kind: Kind }>, 'kind'>, Arbitrary<unknown>>,
): Arbitrary<Message> {
  return fc.record(
    { kind: fc.constant(kind), ...fields },
    { noNullPrototype: true },
  ) as Arbitrary<unknown> as Arbitrary<Message>
}

const entries = fc.array(
  fc.record({ term: count, kind: fc.constantFrom('data', 'noop', 'configuration'), data }, { noNullPrototype: true }),
  { maxLength: 5 },
)
const appendEntries = of('appendEntries', {
  ...head,
  prevIndex: count,
  prevTerm: count,
  entries,
  commitIndex: count,
  round: count,
}).map(message => {
  const append = message as AppendEntries
  const placed = append.entries.map((entry, at) => ({ ...entry, index: toLogIndex(append.prevIndex + 1 + at) }))
  return { ...append, entries: placed }
})

const byKind: { readonly [Kind in Message['kind']]: Arbitrary<Message> } = {
  preVote: of('preVote', { ...head, lastIndex: count, lastTerm: count, campaign: count }),
  preVoteReply: of('preVoteReply', { ...head, isGranted: fc.boolean(), campaign: count }),
  requestVote: of('requestVote', { ...head, lastIndex: count, lastTerm: count, isTransfer: fc.boolean() }),
  requestVoteReply: of('requestVoteReply', { ...head, isGranted: fc.boolean() }),
  appendEntries,
  appendEntriesReply: of('appendEntriesReply', { ...head, matchIndex: count, round: count }),
  appendEntriesRefused: of('appendEntriesRefused', {
    ...head,
    prevIndex: count,
    conflictTerm: fc.option(count),
    conflictIndex: count,
    round: count,
  }),
  heartbeat: of('heartbeat', { ...head, commitIndex: count, commitTerm: count, round: count }),
  heartbeatReply: of('heartbeatReply', { ...head, round: count }),
  installSnapshot: of('installSnapshot', {
    ...head,
    snapshot: fc.record({ meta, data }, { noNullPrototype: true }),
    round: count,
  }),
  timeoutNow: of('timeoutNow', head),
  staleTerm: of('staleTerm', head),
}
const messages = fc.oneof(...Object.values(byKind))

/** Views of a frame and arrays of their own are the same to whoever reads them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
}

describe('messages', () => {
  test('each comes back as it was', () => {
    fc.assert(
      fc.property(messages, message => {
        assert.deepEqual(plain(decodeMessage(encodeMessage(message))), plain(message))
      }),
      { numRuns: runs(500) },
    )
  })

  test("an entry's data is a view of the bytes it came in", () => {
    const [append] = fc.sample(
      appendEntries.filter(message => (message as AppendEntries).entries.length > 0),
      { numRuns: 1, seed: 1 },
    )
    const encoded = encodeMessage(append!)
    const [entry] = (decodeMessage(encoded) as AppendEntries).entries
    assert.equal(entry!.data.buffer, encoded.buffer)
  })

  test('damaged bytes are refused in order, or are another valid message', () => {
    const random = seededRandom(33)
    let refused = 0
    for (const message of fc.sample(messages, { numRuns: runs(200), seed: 33 })) {
      const valid = encodeMessage(message)
      for (let i = 0; i < 20; i++) {
        const damaged = mutate(valid, random)
        let decoded: Message
        try {
          decoded = decodeMessage(damaged)
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error))
          refused++
          continue
        }
        assert.deepEqual(plain(decodeMessage(encodeMessage(decoded))), plain(decoded))
      }
    }
    assert.ok(refused > 100)
  })

  /** One entry as it is on the wire, with so many bytes of data. */
  const wireEntry = (term: number, kind: number, length = 0): Uint8Array => {
    const bytes = Buffer.alloc(13 + length)
    bytes.writeBigUInt64BE(BigInt(term))
    bytes[8] = kind
    bytes.writeUInt32BE(length, 9)
    return new Uint8Array(bytes)
  }
  const append = (entries: unknown): unknown => [5, [1, 1, 3, 1, entries, 0, 0]]

  test('entries are an index and bytes', () => {
    const decoded = decodeMessage(pack(append([4, Uint8Array.of(...wireEntry(1, 0, 2), ...wireEntry(1, 1))])))
    assert.deepEqual(
      (decoded as AppendEntries).entries.map(({ index, term, kind, data }) => [index, term, kind, data.length]),
      [
        [4, 1, 'data', 2],
        [5, 1, 'noop', 0],
      ],
    )
  })

  const refusals: ReadonlyArray<readonly [what: string, wire: unknown]> = [
    ['a kind nobody has', [13, [1, 1]]],
    ['a kind that is a name', ['heartbeat', [1, 1, 1, 1]]],
    ['something that is no array', 7],
    ['a field too many', [11, [1, 1, 1]]],
    ['a field too few', [11, [1]]],
    ['a negative node', [11, [-1, 1]]],
    ['a node beyond 31 bits', [11, [2 ** 31, 1]]],
    ['a negative term', [11, [1, -1]]],
    ['a term that is no integer', [11, [1, 1.5]]],
    ['a term beyond what is exact', [11, [1, 2 ** 53]]],
    ['a flag that is a number', [4, [1, 1, 1]]],
    ['entries that do not follow prevIndex', append([5, wireEntry(1, 0)])],
    ['entries that are all one array', append([4, 1, 0, new Uint8Array()])],
    ['an index without entries', append([4])],
    ['an index with no entry', append([4, new Uint8Array()])],
    ['an index beyond what is exact', append([2 ** 53 - 1, Uint8Array.of(...wireEntry(1, 0), ...wireEntry(1, 0))])],
    ['entries as text', append([4, 'data'])],
    ['an entry without an end', append([4, wireEntry(1, 0, 5).subarray(0, -1)])],
    ['an entry with half a head', append([4, Uint8Array.of(...wireEntry(1, 0, 5), 0, 0)])],
    ['an entry of a kind nobody has', append([4, wireEntry(1, 3)])],
    ['an entry of a term beyond what is exact', append([4, wireEntry(2 ** 53, 0)])],
  ]
  for (const [what, wire] of refusals) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodeMessage(pack(wire)), ProtocolError)
    })
  }

  test('entries with a gap do not leave', () => {
    const entry = (index: number): Entry =>
      ({ index: toLogIndex(index), term: 1, kind: 'noop', data: new Uint8Array() }) as Entry
    const [append] = fc.sample(appendEntries, { numRuns: 1, seed: 1 }) as AppendEntries[]
    const gap = { ...append!, prevIndex: toLogIndex(3), entries: [entry(4), entry(6)] }
    assert.throws(() => encodeMessage(gap), { name: 'AssertionError' })
  })
})

test('a piece of a snapshot comes back as it was', () => {
  const uint32 = fc.nat({ max: 2 ** 32 - 1 })
  const chunks = fc.record(
    {
      ...head,
      round: count,
      meta: meta as Arbitrary<unknown> as Arbitrary<SnapshotMeta & { configuration: Configuration }>,
      sizeBytes: count,
      checksum: uint32,
      offset: count,
      data,
      dataChecksum: uint32,
    },
    { noNullPrototype: true },
  ) as Arbitrary<unknown> as Arbitrary<SnapshotChunk>
  fc.assert(
    fc.property(chunks, chunk => {
      const frame = encodeRequest(snapshotChunk, 0, 1, chunkBody(chunk))
      const { body } = decodeRequestEnvelope(frame, requestFrameLimits)
      assert.deepEqual(plain(chunkOf(snapshotChunk.request.decode(body, 0, ''))), plain(chunk))
    }),
    { numRuns: runs(200) },
  )
})
