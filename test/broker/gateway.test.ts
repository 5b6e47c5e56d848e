/** The gateway for callers who do not know who leads: what it serves itself, what it waits for, and when it gives up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller, FetchCall, ProduceCall } from '../../src/broker/gateway/record-gateway.ts'
import { ApiError, errorName, isFailure } from '../../src/protocol/errors.ts'
import { defaultPeerTiming } from '../../src/quorum/network/types.ts'
import { AssertionError } from '../../src/util/errors.ts'
import { batchOf, type Harness, isSettled, openHarness, other, partitionImage, self, topicImage } from './harness.ts'

const caller = (signal = new AbortController().signal): Caller => ({ remote: 'test', signal })
const produceCall = (changes: Partial<ProduceCall> = {}): ProduceCall => ({
  topic: 't',
  partition: 0,
  acks: 1,
  timeoutMs: 10_000,
  batch: batchOf(['v']),
  ...changes,
})
const fetchCall = (changes: Partial<FetchCall> = {}): FetchCall => ({
  topic: 't',
  partition: 0,
  offset: 0,
  maxBytes: 1 << 20,
  minBytes: 1,
  maxWaitMs: 0,
  ...changes,
})

/** The error of an answer, as a whole or of its partition; `null` when it went well. */
function errorOf(answer: unknown): string | null {
  if (isFailure(answer)) return answer.error
  return errorName((answer as { errorCode: number }).errorCode)
}

const leaderless = () => topicImage('t', { partitions: [partitionImage({ leaderId: null })] })
const ledByOther = () =>
  topicImage('t', { partitions: [partitionImage({ leaderId: other, replicas: [other], isr: [other] })] })

/** The answer, with as much time passing as it takes. */
async function eventually<T>({ clock }: Harness, answer: Promise<T>): Promise<T> {
  for (let rounds = 0; rounds < 200 && !(await isSettled(answer)); rounds++) clock.advance(100)
  return answer
}

async function withGateway(run: (h: Harness) => Promise<void>, options: Parameters<typeof openHarness>[0] = {}) {
  const h = await openHarness({ isInstant: true, ...options })
  await run(h)
  await h.broker[Symbol.asyncDispose]()
}

test('what this broker leads goes through its own handlers', () =>
  withGateway(async ({ broker }) => {
    const { records } = broker
    const produced = await records.produce(produceCall(), caller())
    assert.ok(produced !== null && !isFailure(produced))
    assert.deepEqual([produced.errorCode, produced.baseOffset], [0, 0])
    assert.equal(broker.stats.recordsIn, 1)
    assert.equal(await records.produce(produceCall({ acks: 0 }), caller()), null)
    const fetched = await records.fetch(fetchCall(), caller())
    assert.ok(!isFailure(fetched))
    assert.equal(fetched.highWatermark, 2)
    assert.ok(broker.fetchMemoryBytes > 0, 'an answer counts until it is disposed of')
    fetched[Symbol.dispose]?.()
    assert.equal(broker.fetchMemoryBytes, 0)
    assert.equal(await records.offsetOf('start', { topic: 't', partition: 0 }, caller()), 0)
    assert.equal(await records.offsetOf('end', { topic: 't', partition: 0 }, caller()), 2)
  }))

test('errors of the broker come through as they are, at once', () =>
  withGateway(async ({ broker }) => {
    const { records } = broker
    assert.equal(errorOf(await records.produce(produceCall({ partition: 5 }), caller())), 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.equal(errorOf(await records.produce(produceCall({ batch: new Uint8Array(3) }), caller())), 'CORRUPT_MESSAGE')
    assert.equal(errorOf(await records.fetch(fetchCall({ offset: 9 }), caller())), 'OFFSET_OUT_OF_RANGE')
    assert.equal(errorOf(await records.fetch(fetchCall({ maxBytes: -1 }), caller())), 'INVALID_FETCH_SIZE')
  }))

test('a topic: known here, known elsewhere, unknown, impossible', async () => {
  let looks = 0
  let refuses = false
  const answer = (): void => {
    looks++
    if (refuses) throw new ApiError('NOT_CONTROLLER')
  }
  await withGateway(
    async ({ broker, metadata }) => {
      const { records } = broker
      assert.equal(errorOf(await records.topic('a b', 1)), 'INVALID_TOPIC_EXCEPTION')
      const known = await records.topic('t', 1)
      assert.ok(!isFailure(known) && known.partitions.length === 1)
      assert.equal(looks, 0)
      assert.equal(errorOf(await records.topic('t', 2)), 'UNKNOWN_TOPIC_OR_PARTITION')
      assert.equal(looks, 1)
      // Without a quorum what is known here counts.
      refuses = true
      assert.equal(errorOf(await records.topic('new', 1)), 'UNKNOWN_TOPIC_OR_PARTITION')
      refuses = false
      metadata.topics.set('new', topicImage('new'))
      assert.ok(!isFailure(await records.topic('new', 1)))
    },
    { answer },
  )
})

test('without a leader it waits for one, and the records are stored once', () =>
  withGateway(async ({ broker, metadata, clock }) => {
    metadata.set(leaderless())
    const producing = broker.records.produce(produceCall(), caller())
    const fetching = broker.records.fetch(fetchCall(), caller())
    clock.advance(3_000)
    assert.equal(await isSettled(producing), false)
    metadata.set(topicImage('t', { partitions: [partitionImage({ leaderEpoch: 1 as never })] }))
    assert.equal(errorOf(await producing), null)
    assert.equal(errorOf(await fetching), null)
    assert.equal(broker.stats.recordsIn, 1)
  }))

for (const [name, image] of [
  ['no leader', leaderless],
  ['a leader that is not reached', ledByOther],
] as const) {
  test(`${name} until the time is over: LEADER_NOT_AVAILABLE, and nothing was stored`, () =>
    withGateway(async h => {
      const { broker, metadata } = h
      metadata.set(image())
      const producing = broker.records.produce(produceCall({ timeoutMs: 1_000 }), caller())
      const fetching = broker.records.fetch(fetchCall(), caller())
      const offset = broker.records.offsetOf('end', { topic: 't', partition: 0 }, caller())
      for (const answer of [producing, fetching, offset]) {
        assert.equal(errorOf(await eventually(h, answer as Promise<unknown>)), 'LEADER_NOT_AVAILABLE')
      }
      assert.equal(broker.stats.recordsIn, 0)
    }))
}

test('who has gone is not waited for, and a node that stops waits for nobody', () =>
  withGateway(async ({ broker, metadata, clock }) => {
    metadata.set(leaderless())
    const gone = new AbortController()
    const left = broker.records.produce(produceCall(), caller(gone.signal))
    assert.equal(await isSettled(left), false)
    gone.abort()
    assert.equal(errorOf(await left), 'LEADER_NOT_AVAILABLE')
    const staying = broker.records.produce(produceCall(), caller())
    assert.equal(await isSettled(staying), false)
    broker.drain()
    clock.advance(100)
    assert.equal(errorOf(await staying), 'LEADER_NOT_AVAILABLE')
  }))

test('a leader that cannot be connected to was sent nothing: it is tried again', async () => {
  let attempts = 0
  const socketFactory = {
    connect: async () => {
      attempts++
      throw new ApiError('NETWORK_EXCEPTION', 'Nobody is there.')
    },
  }
  await withGateway(
    async h => {
      const { broker, metadata, clock } = h
      metadata.peerUrl = 'ws://node-2'
      metadata.set(ledByOther())
      const producing = broker.records.produce(produceCall(), caller())
      for (let i = 0; i < 3; i++) {
        await isSettled(producing)
        clock.advance(100)
      }
      assert.ok(attempts >= 2, `${attempts} attempts`)
      metadata.set(topicImage('t', { partitions: [partitionImage({ leaderEpoch: 1 as never, leaderId: self })] }))
      assert.equal(errorOf(await eventually(h, producing)), null)
    },
    { peers: { socketFactory, timing: defaultPeerTiming } },
  )
})

test('a broken invariant ends the node, and the caller learns no more than that', () =>
  withGateway(async ({ broker, fatal, log }) => {
    log().append = () => {
      throw new AssertionError('secret detail')
    }
    const answer = await broker.records.produce(produceCall(), caller())
    assert.equal(errorOf(answer), 'UNKNOWN_SERVER_ERROR')
    assert.doesNotMatch(JSON.stringify(answer), /secret/)
    assert.ok(fatal.some(error => error instanceof AssertionError))
  }))
