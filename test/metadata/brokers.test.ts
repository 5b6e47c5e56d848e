/** Registration, fencing, draining: the broker's state and what becomes of its partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideDrain, decideRegisterBroker, decideUnfence } from '../../src/metadata/brokers.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from './cluster.ts'

const twoInSync = [{ key: 'min.insync.replicas', value: '2' }]
const registration = {
  nodeId: toNodeId(1),
  incarnationId: 'other',
  url: 'ws://x',
  rack: null,
  clusterId: null,
  peerUrl: null,
  previousEpoch: null,
}
const facts = { limits: defaultLimits, isHeard: false, minInsyncReplicas: 1 }

test('the epoch of a broker is the offset of its registration', () => {
  const it = new Cluster()
  const epoch = it.register(1)
  assert.equal(epoch, it.image.lastOffset)
  assert.deepEqual(it.broker(1), {
    nodeId: 1,
    epoch,
    url: 'ws://node-1',
    rack: null,
    peerUrl: null,
    incarnationId: 'first',
    isFenced: false,
    isDraining: false,
  })
})

test('the same incarnation gets the same answer, a restart a new epoch', () => {
  const it = new Cluster()
  const epoch = it.register(1)
  assert.equal(it.register(1), epoch)
  assert.equal(it.image.brokers.size, 1)
  assert(it.register(1, 'second') > epoch)
})

test('the same incarnation that was fenced meanwhile is unfenced by registering again', () => {
  const it = new Cluster(1)
  it.create('t')
  it.fence(1)
  const { epoch } = it.broker(1)
  assert.equal(it.register(1), epoch)
  assert.equal(it.broker(1).isFenced, false)
  assert.equal(it.standing('t'), '1|1||1@2')
})

test('who is refused', () => {
  const { image } = new Cluster(1)
  const errorOf = (request: Partial<typeof registration> | { clusterId: string }, more: Partial<typeof facts> = {}) => {
    const decision = decideRegisterBroker(image, { ...registration, ...request }, { ...facts, ...more })
    return isFailure(decision) ? decision.error : null
  }
  assert.equal(errorOf({}), null)
  assert.equal(errorOf({}, { isHeard: true }), 'DUPLICATE_BROKER_REGISTRATION')
  assert.equal(errorOf({ incarnationId: 'first' }, { isHeard: true }), null)
  assert.equal(errorOf({ clusterId: 'another' }), 'INCONSISTENT_CLUSTER_ID')
  assert.equal(errorOf({ clusterId: 'cluster' }), null)
  const limits = { ...defaultLimits, brokersMax: 1 }
  assert.equal(errorOf({ nodeId: toNodeId(2) }, { limits }), 'POLICY_VIOLATION')
  assert.equal(errorOf({}, { limits }), null)
})

test('a broker that was heard of but is fenced makes room for its successor', () => {
  const it = new Cluster(1)
  it.fence(1)
  assert(!isFailure(decideRegisterBroker(it.image, registration, { ...facts, isHeard: true })))
})

test('a restarted sole replica leads again in a new epoch', () => {
  const it = new Cluster(1)
  it.create('t')
  assert.equal(it.standing('t'), '1|1||1@0')
  it.register(1, 'second')
  assert.equal(it.standing('t'), '1|1||1@1')
  assert.equal(it.partition('t').partitionEpoch, 1)
})

test('a restarted replica leaves the ISR while others are in it, and no other partition changes', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]] })
  it.create('other', { assignments: [[2, 3]] })
  it.register(1, 'second')
  assert.equal(it.standing('t'), '1,2,3|2,3||2@1')
  assert.equal(it.standing('other'), '2,3|2,3||2@0')
})

test('all brokers restarting one after the other leave every partition with a leader', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]], configs: twoInSync })
  for (const id of [1, 2, 3]) it.register(id, 'second')
  assert.equal(it.standing('t'), '1,2,3|2|3|2@3')
})

test('fencing: the next in sync leads; below min.insync.replicas the fenced stay eligible', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]], configs: twoInSync })
  it.fence(1)
  assert.equal(it.standing('t'), '1,2,3|2,3||2@1')
  it.fence(2)
  assert.equal(it.standing('t'), '1,2,3|3|2|3@2')
  it.fence(3)
  assert.equal(it.standing('t'), '1,2,3||2,3|none@3')
})

test('unfencing: only the eligible may lead, and what they then are is the ISR', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]], configs: twoInSync })
  for (const id of [1, 2, 3]) it.fence(id)
  it.commit(decideUnfence(it.image, it.broker(1), it))
  assert.equal(it.standing('t'), '1,2,3||2,3|none@3', 'it was out of sync before: it may lack records')
  it.commit(decideUnfence(it.image, it.broker(3), it))
  assert.equal(it.standing('t'), '1,2,3|3|2|3@4')
  it.commit(decideUnfence(it.image, it.broker(2), it))
  assert.equal(it.standing('t'), '1,2,3|3|2|3@4', 'being in sync again is for the leader to say')
})

test('with min.insync.replicas 1 only the last in sync stays eligible', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]] })
  it.fence(1)
  it.fence(2)
  assert.equal(it.standing('t'), '1,2||2|none@2')
})

test('fencing or unfencing what is so already makes no record', () => {
  const it = new Cluster(1)
  const { lastOffset } = it.image
  it.commit(decideUnfence(it.image, it.broker(1), it))
  assert.equal(it.image.lastOffset, lastOffset)
  it.fence(1)
  const fenced = it.image.lastOffset
  it.fence(1)
  assert.equal(it.image.lastOffset, fenced)
})

test('draining: leadership moves, the ISR is left where others remain, and then there is nothing to do', () => {
  const it = new Cluster(1, 2, 3)
  it.create('led', { assignments: [[1, 2]] })
  it.create('followed', { assignments: [[2, 1]] })
  it.create('alone', { assignments: [[1]] })
  it.commit(decideDrain(it.image, it.broker(1), it))
  assert.equal(it.broker(1).isDraining, true)
  assert.equal(it.standing('led'), '1,2|2||2@1')
  assert.equal(it.standing('followed'), '2,1|2||2@0')
  assert.equal(it.standing('alone'), '1|1||1@0')
  assert.deepEqual(decideDrain(it.image, it.broker(1), it).records, [])
})

test('a draining broker gets no replicas and is elected only where nobody else can be', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[2, 1]], configs: twoInSync })
  it.create('alone', { assignments: [[1]] })
  it.commit(decideDrain(it.image, it.broker(1), it))
  assert.equal(it.standing('t'), '2,1|2|1|2@0')
  it.create('new')
  assert.deepEqual([it.partition('new', 0).replicas, it.partition('new', 1).replicas], [[2], [2]])
  it.fence(2)
  assert.equal(it.standing('t'), '2,1|1|2|1@1')
  assert.equal(it.standing('alone'), '1|1||1@0')
})

test('a broker that is fenced may stop at once', () => {
  const it = new Cluster(1)
  it.fence(1)
  assert.deepEqual(decideDrain(it.image, it.broker(1), it).records, [])
})

test('a restart ends draining', () => {
  const it = new Cluster(1)
  it.commit(decideDrain(it.image, it.broker(1), it))
  it.register(1, 'second')
  assert.equal(it.broker(1).isDraining, false)
})
