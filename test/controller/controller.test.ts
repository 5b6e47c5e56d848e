/** Bootstrap, brokers, publishing, describing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetadataStateMachine } from '../../src/controller/metadata-state-machine.ts'
import type { BrokerWants } from '../../src/controller/types.ts'
import { imageHash } from '../../src/metadata/snapshot.ts'
import {
  addRaftVoter,
  deleteTopics,
  describeQuorum,
  removeRaftVoter,
  transferLeadership,
} from '../../src/protocol/apis/index.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { concatBytes } from '../../src/util/bytes.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { type BrokerEpoch, toBrokerEpoch, toLogIndex, toNodeId } from '../../src/util/numbers.ts'
import { limitsWithReplicas } from '../metadata/history.ts'
import { type Harness, openHarness, openLeading, sessionTimeoutMs, startController } from './harness.ts'

const one = toNodeId(1)
const two = toNodeId(2)
const isFenced = (it: Harness, id = one): boolean => it.controller.metadata.image().brokers.get(id)!.isFenced
const beat = (it: Harness, epoch: unknown, wants: BrokerWants = 'serve', id = one) =>
  it.outcome(it.controller.heartbeat(id, epoch as BrokerEpoch, wants))

test('the first leader gives the cluster its id, once', async () => {
  const it = await openLeading()
  assert.match(it.controller.clusterId, /^[\w-]{22}$/)
  const { clusterId } = it.controller
  it.quorum.lose(2)
  it.quorum.lead()
  await it.settle()
  assert.equal(it.controller.clusterId, clusterId)
  assert.equal(it.quorum.log.length, 1)
})

test('a node that knows its cluster founds it under that id', async () => {
  assert.equal((await openLeading({ clusterId: 'mine' })).controller.clusterId, 'mine')
})

test('a node whose metadata are of another cluster does not start, and closes what it opened', async () => {
  const { quorum } = await openLeading({ clusterId: 'theirs' })
  const start = await startController({ clusterId: 'mine' }, quorum.log)
  await assert.rejects(start.opening, (error: unknown) => error instanceof ConfigError && /theirs/.test(error.message))
  assert.equal(start.quorum.isClosed, true)
})

test('a first record that is lost is written again by whoever leads', async () => {
  const { clock, quorum, opening } = await startController()
  quorum.isAutomatic = false
  quorum.lead()
  clock.runDue()
  assert.equal(quorum.log.length, 1)
  quorum.lose(2)
  quorum.truncate()
  quorum.isAutomatic = true
  quorum.lead()
  clock.runDue()
  assert.match((await opening).clusterId, /^[\w-]{22}$/)
})

test('a first record that the quorum refuses is tried again while this node leads', async () => {
  const { clock, quorum, opening } = await startController()
  quorum.refusal = new ApiError('BROKER_OVERLOADED')
  quorum.lead()
  clock.runDue()
  await new Promise(resolve => setImmediate(resolve))
  quorum.refusal = null
  clock.advance(1_000)
  assert.match((await opening).clusterId, /^[\w-]{22}$/)
})

test('in a minority the start waits until it is told to stop, and closes what it opened', async () => {
  const abort = new AbortController()
  const { quorum, opening } = await startController({ signal: abort.signal })
  abort.abort()
  await assert.rejects(opening, { name: 'AbortError' })
  assert.equal(quorum.isClosed, true)
})

test('a follower is open when it knows the cluster and who leads it', async () => {
  const { quorum: elsewhere } = await openLeading()
  const { clock, quorum, opening } = await startController({}, elsewhere.log)
  let isOpen = false
  void opening.then(() => {
    isOpen = true
  })
  clock.advance(10_000)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(isOpen, false, 'nobody to ask yet')
  quorum.lose(2)
  clock.advance(100)
  const controller = await opening
  assert.equal(controller.leaderId(), 2)
  assert.equal(controller.status().role, 'follower')
})

test('registration: same incarnation, same epoch; another one is refused while the first is heard of', async () => {
  const it = await openLeading()
  const epoch = await it.register(1, 'first')
  assert.equal(await it.register(1, 'first'), epoch)
  assert.equal(await it.register(1, 'second'), 'DUPLICATE_BROKER_REGISTRATION')
  await it.advance(sessionTimeoutMs + 500)
  assert.notEqual(await it.register(1, 'second'), epoch)
  assert.equal(await beat(it, epoch), 'STALE_BROKER_EPOCH')
})

test('two processes of one id registering in the same moment: one of them is refused', async () => {
  const it = await openLeading()
  const [first, second] = await Promise.all([it.register(1, 'first'), it.register(1, 'second')])
  assert.equal(typeof first, 'number')
  assert.equal(second, 'DUPLICATE_BROKER_REGISTRATION')
})

test('a restart together with the controller registers at once: nobody was heard of in this reign', async () => {
  const it = await openHarness()
  const before = it.controller.metadata.image().brokers.get(one)!.epoch
  it.quorum.lose(null)
  it.quorum.lead()
  const after = await it.register(1, 'second')
  assert(typeof after === 'number' && after > before)
})

test('registration with the id of another cluster is refused', async () => {
  const it = await openLeading()
  const registration = {
    nodeId: two,
    incarnationId: 'i',
    url: 'ws://x',
    rack: null,
    clusterId: 'another',
    peerUrl: null,
    previousEpoch: null,
  }
  assert.equal(await it.outcome(it.controller.registerBroker(registration)), 'INCONSISTENT_CLUSTER_ID')
})

test('a broker that beats stays; a silent one is fenced, and unfenced by its next beat', async () => {
  const it = await openLeading()
  const [first, second] = [await it.register(1), await it.register(2)]
  for (let i = 0; i < 8; i++) {
    await it.advance(2_000)
    assert.deepEqual(await beat(it, first), { isFenced: false, mayStop: false })
  }
  assert.deepEqual([isFenced(it, one), isFenced(it, two)], [false, true])
  assert.deepEqual(await beat(it, second, 'serve', two), { isFenced: false, mayStop: false })
  assert.equal(isFenced(it, two), false)
})

test('a new leader grants every broker a whole session timeout', async () => {
  const it = await openHarness()
  await it.advance(sessionTimeoutMs - 1_000)
  it.quorum.lose(2)
  await it.advance(60_000)
  assert.equal(isFenced(it), false, 'a follower fences nobody')
  it.quorum.lead()
  await it.advance(sessionTimeoutMs - 1_000)
  assert.equal(isFenced(it), false)
  await it.advance(4_000)
  assert.equal(isFenced(it), true)
})

test('a process that stood still does not hold its own silence against the brokers', async () => {
  const it = await openHarness()
  // All timers of a minute fire as one: the heartbeats of that minute are still to be read.
  await it.advance(500)
  const clock = it.clock
  const realNow = clock.nowMs.bind(clock)
  clock.nowMs = () => realNow() + 60_000
  await it.advance(2_500)
  assert.equal(isFenced(it), false)
  await it.advance(sessionTimeoutMs + 2_500)
  assert.equal(isFenced(it), true)
})

test('heartbeats: unknown broker, stale epoch, not the leader', async () => {
  const it = await openHarness()
  assert.equal(await beat(it, 1, 'serve', toNodeId(9)), 'BROKER_ID_NOT_REGISTERED')
  assert.equal(await beat(it, toBrokerEpoch(999)), 'STALE_BROKER_EPOCH')
  const { epoch } = it.controller.metadata.image().brokers.get(one)!
  it.quorum.lose(2)
  assert.equal(await beat(it, epoch), 'NOT_CONTROLLER')
})

test('controlled shutdown: leadership has moved when the broker is told that it may stop', async () => {
  const it = await openHarness({
    defaults: { numPartitions: 4, replicationFactor: 2, minInsyncReplicas: 1, isUncleanAllowed: false },
    limits: limitsWithReplicas,
  })
  await it.register(2)
  assert.equal(await it.createOutcome('t'), 0)
  const { epoch } = it.controller.metadata.image().brokers.get(one)!
  const led = (): number =>
    it.controller.metadata
      .image()
      .topics.byName.get('t')!
      .partitions.filter(p => p.leaderId === one).length
  assert.equal(led(), 2)
  assert.deepEqual(await beat(it, epoch, 'shutdown'), { isFenced: false, mayStop: true })
  assert.equal(led(), 0)
  assert.equal(it.controller.metadata.image().brokers.get(one)!.isUnfit, true)
})

test('image and delta are published before the answer, and no more after unsubscribing', async () => {
  const it = await openHarness()
  const seen: string[][] = []
  const stop = it.controller.metadata.subscribe((image, delta) => {
    seen.push([...delta.changedTopicIds].map(id => image.topics.byId.get(id)!.name))
  })
  const seenAtAnswer = it.create('a').then(() => seen.length)
  await it.settle()
  assert.equal(await seenAtAnswer, 1)
  assert.deepEqual(seen, [['a']])
  stop()
  await it.createOutcome('b')
  assert.equal(seen.length, 1)
})

test('a restored snapshot publishes what differs from the image before', async () => {
  const it = await openHarness()
  await it.createOutcome('a')
  const source = new MetadataStateMachine()
  source.apply(it.quorum.log)
  const gone = source.image().topics.byName.get('a')!.id
  const early = concatBytes([...source.snapshot()])
  const topics = [{ name: 'a', topicId: null }]
  await it.outcome(it.controller.request(deleteTopics, { session: null, timeoutMs: 0, topics }))
  await it.createOutcome('b')
  const late = new MetadataStateMachine()
  late.apply(it.quorum.log)
  const follower = new MetadataStateMachine()
  for (const _ of follower.restore(early));
  const deltas: unknown[] = []
  follower.subscribe((image, delta) => {
    deltas.push([[...delta.changedTopicIds].map(id => image.topics.byId.get(id)!.name), [...delta.deletedTopicIds]])
  })
  const steps = follower.restore(concatBytes([...late.snapshot()]))
  for (const _ of steps) assert.deepEqual(deltas, [], 'nothing is seen of it before its last step')
  assert.deepEqual(deltas, [[['b'], [gone]]])
  assert.equal(imageHash(follower.image()), imageHash(late.image()))
  assert.deepEqual([...follower.snapshot()], [...late.snapshot()])
})

test('an entry from a future version stops the state machine and names itself', () => {
  const machine = new MetadataStateMachine()
  const data = Uint8Array.of(0x93, 1, 0, 0x91, 0x93, 77, 0, 0x90)
  assert.throws(() => machine.apply([{ index: toLogIndex(1), term: 1 as never, data }]), /MetadataRecord\.code.*77/)
})

test('the quorum is described by its leader, after a read barrier', async () => {
  const it = await openHarness()
  const barriers = it.quorum.barriers
  assert.deepEqual(await it.outcome(it.controller.request(describeQuorum, { timeoutMs: 0 })), {
    clusterId: it.controller.clusterId,
    leaderId: 1,
    leaderEpoch: 1,
    highWatermark: 3,
    voters: [
      {
        id: 1,
        logEndOffset: 3,
        lag: 0,
        lastCaughtUpMs: it.clock.wallClockMs() - Math.round(it.clock.nowMs()),
        diskId: 'disk-1',
        url: 'ws://one',
      },
      { id: 2, logEndOffset: 1, lag: 2, lastCaughtUpMs: null, diskId: 'disk-2', url: 'ws://two' },
    ],
    observers: [
      { id: 3, logEndOffset: -1, lag: -1, lastCaughtUpMs: null, diskId: null, url: null },
      { id: 4, logEndOffset: 2, lag: 1, lastCaughtUpMs: null, diskId: 'disk-4', url: null },
    ],
  })
  assert.equal(it.quorum.barriers, barriers + 1)
  it.quorum.lose(2)
  assert.equal(await it.outcome(it.controller.request(describeQuorum, { timeoutMs: 0 })), 'NOT_CONTROLLER')
})

test('voters are added, removed and given the lead by the quorum; what it refuses is refused', async () => {
  const it = await openHarness()
  const { controller } = it
  await it.outcome(controller.request(addRaftVoter, { id: 3, url: 'ws://n3', timeoutMs: 50 }))
  await it.outcome(controller.request(removeRaftVoter, { id: 3, timeoutMs: 50 }))
  assert.deepEqual(await it.outcome(controller.request(transferLeadership, { to: null, timeoutMs: 50 })), {
    leaderId: 2,
  })
  assert.equal(await it.outcome(controller.request(removeRaftVoter, { id: 9, timeoutMs: 50 })), 'VOTER_NOT_FOUND')
  assert.deepEqual(it.quorum.changes, ['add 3 ws://n3', 'remove 3', 'transfer null'])
})

test('the current image is read behind a barrier', async () => {
  const it = await openHarness()
  await it.createOutcome('a')
  const image = await it.outcome(it.controller.currentImage())
  assert(typeof image !== 'string' && image.topics.byName.has('a'))
  it.quorum.lose(2)
  assert.equal(await it.outcome(it.controller.currentImage()), 'NOT_CONTROLLER')
})
