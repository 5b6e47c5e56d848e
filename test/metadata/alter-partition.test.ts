/** What the leader of a partition may say about who is in sync, and what it is answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideAlterPartition } from '../../src/metadata/alter-partition.ts'
import { decideDeleteTopics } from '../../src/metadata/delete-topics.ts'
import { effectiveMinIsr, minIsrOf } from '../../src/metadata/election.ts'
import { type ErrorName, errorName, isFailure } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from './cluster.ts'

type Request = ReturnType<Cluster['alterRequest']>
type Item = Request['partitions'][number]

/** Leader 1; broker 3 was away and is out of sync, 4 holds nothing. */
function cluster(): Cluster {
  const it = new Cluster(1, 2, 3, 4)
  it.create('t', { assignments: [[1, 2, 3]], configs: [{ key: 'min.insync.replicas', value: '2' }] })
  it.fence(3)
  it.heard(3)
  assert.equal(it.standing('t'), '1,2,3|1,2||1@0')
  return it
}

const cases: [what: string, change: (item: Item, it: Cluster) => Partial<Item>, expected: ErrorName | null][] = [
  ['one more', () => ({}), null],
  ['an old leader epoch', () => ({ leaderEpoch: -1 }), 'FENCED_LEADER_EPOCH'],
  ['a leader epoch of the future', ({ leaderEpoch }) => ({ leaderEpoch: leaderEpoch + 1 }), 'UNKNOWN_LEADER_EPOCH'],
  [
    'an old partition epoch',
    ({ partitionEpoch }) => ({ partitionEpoch: partitionEpoch - 1 }),
    'INVALID_UPDATE_VERSION',
  ],
  ['a later one', ({ partitionEpoch }) => ({ partitionEpoch: partitionEpoch + 1 }), 'INVALID_UPDATE_VERSION'],
  ['a topic that is gone', () => ({ topicId: 'gone' }), 'UNKNOWN_TOPIC_ID'],
  ['a partition too many', () => ({ partition: 1 }), 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['without the leader', ({ newIsr }) => ({ newIsr: newIsr.slice(1) }), 'INVALID_REQUEST'],
  ['nobody', () => ({ newIsr: [] }), 'INVALID_REQUEST'],
  ['somebody twice', ({ newIsr }) => ({ newIsr: [...newIsr, newIsr[2]!] }), 'INVALID_REQUEST'],
  [
    'somebody who is no replica',
    ({ newIsr }, it) => ({ newIsr: [...newIsr, { nodeId: 4, brokerEpoch: it.broker(4).epoch }] }),
    'INVALID_REQUEST',
  ],
  [
    'somebody as of an earlier registration',
    ({ newIsr }) => ({ newIsr: newIsr.map(member => ({ ...member, brokerEpoch: member.brokerEpoch - 1 })) }),
    'INELIGIBLE_REPLICA',
  ],
]

for (const [what, change, expected] of cases) {
  test(`alter partition, ${what}: ${expected ?? 'done'}`, () => {
    const it = cluster()
    const request = it.alterRequest('t', [1, 2, 3])
    const [item] = request.partitions
    const partitions = [{ ...item!, ...change(item!, it) }]
    const decision = decideAlterPartition(it.image, { ...request, partitions }, it.terms)
    assert(!isFailure(decision))
    const answer = it.commit(decision).partitions[0]!
    assert.equal(errorName(answer.errorCode), expected, answer.errorMessage ?? '')
    assert.equal(it.standing('t'), expected === null ? '1,2,3|1,2,3||1@0' : '1,2,3|1,2||1@0')
    assert.equal(answer.partitionEpoch, expected === null ? it.partition('t').partitionEpoch : -1)
  })
}

test('a request of an earlier registration, or of nobody, is refused as a whole', () => {
  const it = cluster()
  const request = it.alterRequest('t', [1, 2, 3])
  const errorOf = (change: Partial<Request>) => {
    const decision = decideAlterPartition(it.image, { ...request, ...change }, it.terms)
    return isFailure(decision) ? decision.error : null
  }
  assert.equal(errorOf({}), null)
  assert.equal(errorOf({ brokerEpoch: request.brokerEpoch - 1 }), 'STALE_BROKER_EPOCH')
  assert.equal(errorOf({ nodeId: 9 }), 'BROKER_ID_NOT_REGISTERED')
})

test('only the leader is heard', () => {
  const it = cluster()
  const request = { ...it.alterRequest('t', [1, 2, 3]), nodeId: 2, brokerEpoch: it.broker(2).epoch }
  const decision = decideAlterPartition(it.image, request, it.terms)
  assert(!isFailure(decision))
  assert.equal(errorName(decision.response.partitions[0]!.errorCode), 'NOT_LEADER_OR_FOLLOWER')
})

test('a request that was lost on the way and is made again changes nothing twice', () => {
  const it = cluster()
  const request = it.alterRequest('t', [1, 2, 3])
  const ask = () => {
    const decision = decideAlterPartition(it.image, request, it.terms)
    assert(!isFailure(decision))
    return errorName(it.commit(decision).partitions[0]!.errorCode)
  }
  assert.deepEqual([ask(), ask()], [null, 'INVALID_UPDATE_VERSION'])
  assert.equal(it.alter('t', [3, 2, 1]), null)
  assert.equal(
    it.partition('t').partitionEpoch,
    request.partitions[0]!.partitionEpoch + 1,
    'what is so makes no record',
  )
})

test('refused because a replica was away, no copy of the request succeeds when it is back', () => {
  const it = cluster()
  const request = it.alterRequest('t', [1, 2, 3])
  const ask = () => {
    const decision = decideAlterPartition(it.image, request, it.terms)
    assert(!isFailure(decision))
    return errorName(it.commit(decision).partitions[0]!.errorCode)
  }
  it.fence(3)
  assert.equal(ask(), 'INELIGIBLE_REPLICA')
  it.heard(3)
  assert.equal(ask(), 'INVALID_UPDATE_VERSION', 'meanwhile the leader has committed without it')
  assert.equal(it.alter('t', [1, 2, 3]), null)
})

test('one request, many partitions: each stands for itself, none twice', () => {
  const it = cluster()
  it.create('u', { assignments: [[1, 2]] })
  const [item] = it.alterRequest('t', [1, 2, 3]).partitions
  const request = it.alterRequest('u', [1])
  const decision = decideAlterPartition(
    it.image,
    { ...request, partitions: [item!, ...request.partitions, item!] },
    it.terms,
  )
  assert(!isFailure(decision))
  const codes = it.commit(decision).partitions.map(answer => errorName(answer.errorCode))
  assert.deepEqual(codes, ['INVALID_REQUEST', null, 'INVALID_REQUEST'])
  assert.equal(it.standing('u'), '1,2|1||1@0')
})

test('a topic that was deleted and created anew is not the one that was meant', () => {
  const it = cluster()
  const request = it.alterRequest('t', [1, 2, 3])
  it.commit(decideDeleteTopics(it.image, { session: null, timeoutMs: 0, topics: [{ name: 't', topicId: null }] }))
  it.create('t', { assignments: [[1, 2, 3]] })
  const decision = decideAlterPartition(it.image, request, it.terms)
  assert(!isFailure(decision))
  assert.equal(errorName(decision.response.partitions[0]!.errorCode), 'UNKNOWN_TOPIC_ID')
  assert.deepEqual(decision.records, [])
})

test('who leaves an ISR that is too small stays eligible, until it is large enough again (KIP-966)', () => {
  const it = cluster()
  it.alter('t', [1, 2, 3])
  it.alter('t', [1])
  assert.equal(it.standing('t'), '1,2,3|1|2,3|1@0')
  it.alter('t', [1, 3])
  assert.equal(it.standing('t'), '1,2,3|1,3||1@0', 'broker 2 may lack what these two commit now')
})

test('the last replica standing, stopped uncleanly, is not preferred to the eligible (KIP-966)', () => {
  const it = cluster()
  it.alter('t', [1])
  it.fence(2)
  it.fence(1)
  assert.equal(it.standing('t'), '1,2,3||2,1|none@1')
  it.register(1, 'without its tail')
  assert.equal(it.standing('t'), '1,2,3||2|none@1', 'it could have lost what broker 2 has')
  it.heard(2)
  assert.equal(it.standing('t'), '1,2,3|2||2@2')
  assert.equal(it.partition('t').uncleanEpoch, -1, 'nothing acknowledged was lost')
})

test('in-sync replicas that must be there', () => {
  const half = [1, 2, 3, 4, 5].map(count => effectiveMinIsr(-1, count))
  assert.deepEqual(half, [1, 1, 2, 2, 3])
  assert.deepEqual([effectiveMinIsr(2, 1), effectiveMinIsr(2, 2), effectiveMinIsr(1, 3)], [1, 2, 1])
  const ids = (...list: number[]) => list.map(toNodeId)
  assert.equal(minIsrOf({ replicas: ids(4, 5, 6, 1, 2, 3), addingReplicas: ids(4, 5, 6) }, -1), 2)
})

test('with a higher min.insync.replicas the leader is not believed before it knows of it', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]] })
  const before = it.alterRequest('t', [1])
  it.configure('t', 'min.insync.replicas', '2')
  const decision = decideAlterPartition(it.image, before, it.terms)
  assert(!isFailure(decision))
  assert.equal(
    errorName(decision.response.partitions[0]!.errorCode),
    'INVALID_UPDATE_VERSION',
    'alone it would commit what broker 2, eligible from now on, does not have',
  )
  assert.equal(it.alter('t', [1]), null)
  assert.equal(it.standing('t'), '1,2|1|2|1@0')
  it.configure('t', 'min.insync.replicas', '1')
  assert.equal(it.standing('t'), '1,2|1||1@0')
})
