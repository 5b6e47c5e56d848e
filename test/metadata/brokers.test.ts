/** Registration, fencing, draining: the broker's state and what becomes of its partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideDrainBroker, decideRegisterBroker, decideShutdown } from '../../src/metadata/brokers.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import { soundDecisionRules } from '../../src/metadata/rules.ts'
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
const facts = {
  rules: soundDecisionRules,
  limits: defaultLimits,
  isHeard: false,
  minInsyncReplicas: 1,
  isUncleanAllowed: false,
}

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
    isUnfit: false,
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
  it.restart(1)
  assert.equal(it.standing('t'), '1|1||1@1')
  assert.equal(it.partition('t').partitionEpoch, 1)
  assert.equal(it.partition('t').uncleanEpoch, -1, 'its log is complete')
})

test('a restarted replica leaves the ISR while others are in it, and no other partition changes', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]] })
  it.create('other', { assignments: [[2, 3]] })
  it.restart(1)
  assert.equal(it.standing('t'), '1,2,3|2,3||2@1')
  assert.equal(it.standing('other'), '2,3|2,3||2@0')
})

test('all brokers restarting one after the other leave every partition with a leader', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]], configs: twoInSync })
  for (const id of [1, 2, 3]) it.restart(id)
  assert.equal(it.standing('t'), '1,2,3|2|3|2@3')
  assert.equal(it.partition('t').uncleanEpoch, -1)
})

test('a broker whose logs may lack something is neither in sync nor eligible (KIP-966)', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]], configs: twoInSync })
  it.fence(1)
  it.fence(2)
  assert.equal(it.standing('t'), '1,2,3|3|2|3@2')
  it.register(2, 'wiped')
  assert.equal(it.standing('t'), '1,2,3|3||3@2', 'it was eligible')
  it.register(3, 'wiped')
  assert.equal(it.standing('t'), '1,2,3|3||3@3', 'it is all there is')
  assert.equal(it.partition('t').uncleanEpoch, 3, 'and others may have to cut what they knew to be committed')
})

test('the eligible are waited for rather than a broker that is back without its logs', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]], configs: twoInSync })
  it.fence(2)
  it.register(1, 'wiped')
  assert.equal(it.standing('t'), '1,2||2|none@1')
  it.restart(2)
  assert.equal(it.standing('t'), '1,2|2||2@2')
})

test('while who has everything registers, nobody else is elected who may lack some of it', () => {
  const configs = [{ key: 'unclean.leader.election.enable', value: 'true' }]
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]], configs })
  it.fence(2)
  it.register(2)
  assert.equal(it.standing('t'), '1,2|1||1@0', 'one in sync, and one that may lack something')
  it.restart(1)
  assert.equal(it.standing('t'), '1,2|1||1@1')
  assert.equal(it.partition('t').uncleanEpoch, -1)
  it.register(1, 'wiped')
  assert.equal(it.standing('t'), '1,2|2||2@2', 'who may have lost everything brings nothing')
  assert.equal(it.partition('t').uncleanEpoch, 2)
  it.fence(2)
  assert.equal(it.standing('t'), '1,2|1||1@3', 'who stays away is not waited for: that was asked for')
})

test('what a broker says of its logs counts only for the epoch it was registered in last', () => {
  const it = new Cluster(1, 2)
  const first = it.broker(1).epoch
  it.create('t', { assignments: [[1, 2]], configs: twoInSync })
  it.restart(1)
  assert.equal(it.standing('t'), '1,2|2|1|2@1')
  it.register(1, 'from a backup', null, first)
  assert.equal(it.standing('t'), '1,2|2||2@1')
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
  it.heard(1)
  assert.equal(it.standing('t'), '1,2,3||2,3|none@3', 'it was out of sync before: it may lack records')
  it.heard(3)
  assert.equal(it.standing('t'), '1,2,3|3|2|3@4')
  it.heard(2)
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
  it.heard(1)
  assert.equal(it.image.lastOffset, lastOffset)
  it.fence(1)
  const fenced = it.image.lastOffset
  it.fence(1)
  assert.equal(it.image.lastOffset, fenced)
})

test('stopping: leadership moves, the ISR is left where others remain, and then there is nothing to do', () => {
  const it = new Cluster(1, 2, 3)
  it.create('led', { assignments: [[1, 2]] })
  it.create('followed', { assignments: [[2, 1]] })
  it.create('alone', { assignments: [[1]] })
  assert.equal(it.shutDown(1), true)
  assert.equal(it.broker(1).isUnfit, true)
  assert.equal(it.standing('led'), '1,2|2||2@1')
  assert.equal(it.standing('followed'), '2,1|2||2@0')
  assert.equal(it.standing('alone'), '1|1||1@0')
  assert.deepEqual(decideShutdown(it.image, it.broker(1), it.terms).records, [])
})

test('a broker that stops waits for who will be able to lead, not for who is away', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2]] })
  it.fence(2)
  assert.equal(it.shutDown(1), true, 'nobody is there to lead')
  it.heard(1)
  it.heard(2)
  assert.equal(it.standing('t'), '1,2|1||1@0', 'broker 2 has to catch up first')
  assert.equal(it.shutDown(1), false)
  assert.equal(it.alter('t', [1, 2]), 'INVALID_UPDATE_VERSION', 'and when it has, it leads in the same step')
  assert.equal(it.standing('t'), '1,2|2||2@1')
  assert.equal(it.shutDown(1), true)
})

test('an unfit broker hands over to whoever has every committed record, and keeps what nobody else has', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]], configs: twoInSync })
  it.create('alone', { assignments: [[1]] })
  it.fence(2)
  assert.equal(it.standing('t'), '1,2|1|2|1@0')
  it.heard(1, true)
  assert.equal(it.standing('t'), '1,2|1|2|1@0', 'broker 2 is away')
  it.heard(2)
  assert.equal(it.standing('t'), '1,2|2|1|2@1')
  assert.equal(it.standing('alone'), '1|1||1@0')
  assert.equal(it.alter('t', [2, 1]), 'INELIGIBLE_REPLICA')
  it.heard(1)
  assert.equal(it.alter('t', [2, 1]), null)
  assert.equal(it.standing('t'), '1,2|1,2||2@1')
})

test('a broker that is unfit and fenced comes back as what it then says', () => {
  const it = new Cluster(1)
  it.create('t')
  it.heard(1, true)
  it.fence(1)
  assert.equal(it.standing('t'), '1||1|none@1')
  it.heard(1, true)
  assert.deepEqual([it.broker(1).isFenced, it.broker(1).isUnfit], [false, true])
  assert.equal(it.standing('t'), '1|1||1@2', 'it can still be read')
  it.register(1)
  assert.equal(it.broker(1).isUnfit, true, 'the same process asks once more')
  it.restart(1)
  assert.equal(it.broker(1).isUnfit, false)
})

test('a leader whose disk failed the partition hands it to whoever is in sync, and the rest stays with it', () => {
  const it = new Cluster(1, 2, 3)
  it.create('t', { assignments: [[1, 2, 3]] })
  it.create('u', { assignments: [[1, 2]] })
  it.lose(1, 't')
  assert.equal(it.standing('t'), '1,2,3|2,3||2@1')
  assert.deepEqual(it.partition('t').offlineReplicas, [1])
  assert.equal(it.standing('u'), '1,2|1,2||1@0')
  const { lastOffset } = it.image
  it.lose(1, 't')
  assert.equal(it.image.lastOffset, lastOffset, 'said again, nothing changes')
  assert.equal(it.alter('t', [1, 2, 3]), 'INELIGIBLE_REPLICA')
  assert.equal(it.shutDown(2), true, 'the third leads')
})

test('a follower whose disk failed the partition is not in sync, eligible while it is needed, and elected by nobody', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]], configs: twoInSync })
  it.lose(2, 't')
  assert.equal(it.standing('t'), '1,2|1|2|1@0')
  it.fence(1)
  assert.equal(it.standing('t'), '1,2||2,1|none@1')
  it.heard(1)
  assert.equal(it.standing('t'), '1,2|1|2|1@2')
  it.heard(1, true)
  assert.equal(it.standing('t'), '1,2|1|2|1@2', 'nobody else could serve it')
  assert.equal(it.shutDown(1), true, 'and nobody is waited for')
})

test('what only a failed disk has is led by nobody, until its broker is back with it', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]] })
  it.alter('t', [1])
  it.lose(1, 't')
  assert.equal(it.standing('t'), '1,2||1|none@1')
  it.heard(2, true)
  it.heard(2)
  assert.equal(it.standing('t'), '1,2||1|none@1')
  it.restart(1)
  assert.equal(it.standing('t'), '1,2|1||1@2')
  assert.deepEqual(it.partition('t').offlineReplicas, [])
})

test('where losing records is allowed somebody else leads what a failed disk had', () => {
  const it = new Cluster(1, 2, 3)
  it.isUncleanAllowed = true
  it.create('t', { assignments: [[1, 2, 3]] })
  it.alter('t', [1])
  it.heard(2, true)
  it.lose(1, 't')
  assert.equal(it.standing('t'), '1,2,3|3||3@1')
  assert.equal(it.partition('t').uncleanEpoch, 1)
  it.lose(3, 't')
  assert.equal(it.standing('t'), '1,2,3|2||2@2', 'better an unfit one than one whose disk failed')
  it.lose(2, 't')
  assert.equal(it.standing('t'), '1,2,3||2|none@3')
})

test('draining: leadership moves, the ISR stays as it is', () => {
  const it = new Cluster(1, 2, 3)
  it.create('led', { assignments: [[1, 2]] })
  it.create('followed', { assignments: [[2, 1]] })
  it.create('alone', { assignments: [[1]] })
  assert.equal(it.drain(1), 1, 'what nobody else holds')
  assert.equal(it.broker(1).isDraining, true)
  assert.equal(it.standing('led'), '1,2|1,2||2@1')
  assert.equal(it.standing('followed'), '2,1|2,1||2@0')
  assert.equal(it.standing('alone'), '1|1||1@0')
  const { lastOffset } = it.image
  assert.equal(it.drain(1), 1)
  assert.equal(it.image.lastOffset, lastOffset, 'asked again, nothing changes')
  assert.equal(it.drain(1, false), 1)
  assert.equal(it.broker(1).isDraining, false)
})

test('a draining broker gets no replicas, may be in sync, and is elected only where nobody else can be', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[2, 1]], configs: twoInSync })
  it.create('alone', { assignments: [[1]] })
  it.drain(1)
  it.create('new')
  assert.deepEqual([it.partition('new', 0).replicas, it.partition('new', 1).replicas], [[2], [2]])
  it.fence(2)
  assert.equal(it.standing('t'), '2,1|1|2|1@1')
  it.heard(2)
  assert.equal(it.standing('t'), '2,1|1|2|1@1', 'it may have records of acks=1 that the eligible lacks')
  assert.equal(it.alter('t', [1, 2]), 'INVALID_UPDATE_VERSION')
  assert.equal(it.standing('t'), '2,1|2,1||2@2')
  assert.equal(it.standing('alone'), '1|1||1@0')
})

test('only a registered broker can be drained', () => {
  const { image, terms } = new Cluster(1)
  const decision = decideDrainBroker(image, { session: null, timeoutMs: 0, nodeId: 7, isDraining: true }, terms)
  assert(isFailure(decision))
  assert.equal(decision.error, 'BROKER_ID_NOT_REGISTERED')
})

test('a broker that is fenced may stop at once', () => {
  const it = new Cluster(1)
  it.fence(1)
  assert.deepEqual(decideShutdown(it.image, it.broker(1), it.terms), { records: [], response: { mayStop: true } })
})

test('a restart ends draining', () => {
  const it = new Cluster(1)
  it.drain(1)
  it.register(1)
  assert.equal(it.broker(1).isDraining, true, 'the same process asks once more')
  it.restart(1)
  assert.equal(it.broker(1).isDraining, false)
})
