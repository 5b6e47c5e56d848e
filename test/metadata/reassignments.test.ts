/** Moving partitions to other brokers (KIP-455): `replicas|isr|elr|leader@epoch +adding -removing`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideAlterReassignments } from '../../src/metadata/alter-reassignments.ts'
import { decideCreatePartitions } from '../../src/metadata/create-partitions.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import { decideDeleteTopics } from '../../src/metadata/delete-topics.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { Cluster } from './cluster.ts'
import { topicFacts } from './history.ts'

function cluster(): Cluster {
  const it = new Cluster(1, 2, 3, 4, 5, 6)
  it.minInsyncReplicas = -1
  it.create('t', { assignments: [[1, 2, 3]] })
  return it
}

/** Its error, if any. */
function move(it: Cluster, replicas: readonly number[] | null, topic = 't', partition = 0) {
  const request = {
    session: null,
    timeoutMs: 0,
    partitions: [{ topic, partition, replicas: replicas && [...replicas] }],
  }
  const decision = decideAlterReassignments(it.image, request, { ...it.terms, limits: defaultLimits })
  return errorName(it.commit(decision).partitions[0]!.errorCode)
}

function state(it: Cluster): string {
  const { addingReplicas, removingReplicas } = it.partition('t')
  return `${it.standing('t')} +${addingReplicas} -${removingReplicas}`
}

test('added, in sync one after the other; then the leader lets go, and the others go with it', () => {
  const it = cluster()
  assert.equal(move(it, [5, 4, 6]), null)
  assert.equal(state(it), '5,4,6,1,2,3|1,2,3||1@0 +5,4,6 -1,2,3')
  assert.equal(it.alter('t', [1, 2, 3, 4]), null)
  assert.equal(it.alter('t', [1, 2, 3, 4, 5]), null)
  assert.equal(it.alter('t', [2, 3, 4, 5]), 'INVALID_REQUEST', 'a leader does not go before everyone is in sync')
  assert.equal(it.alter('t', [1, 2, 3, 4, 5, 6]), null)
  assert.equal(state(it), '5,4,6,1,2,3|5,4,6,1,2,3||1@0 +5,4,6 -1,2,3', 'what it has taken it settles first')
  assert.equal(it.alter('t', [4, 5, 6]), 'INVALID_UPDATE_VERSION', 'the metadata say who leads now')
  assert.equal(state(it), '5,4,6|5,4,6||5@1 + -')
})

test('a leader that stays goes on in its epoch', () => {
  const it = cluster()
  move(it, [4, 1])
  assert.equal(it.alter('t', [1, 2, 3, 4]), null)
  assert.equal(state(it), '4,1,2,3|4,1,2,3||1@0 +4 -2,3', 'they may have led a moment ago')
  assert.equal(it.alter('t', [1, 4]), 'INVALID_UPDATE_VERSION', 'the metadata say who the replicas are now')
  assert.equal(state(it), '4,1|4,1||1@0 + -')
})

test('what is in sync already moves as soon as its leader lets go, at once when nobody in sync goes', () => {
  const it = cluster()
  move(it, [3, 2, 1])
  assert.equal(state(it), '3,2,1|1,2,3||1@0 + -')
  move(it, [3, 2])
  assert.equal(state(it), '3,2,1|1,2,3||1@0 + -1')
  it.alter('t', [2, 3])
  assert.equal(state(it), '3,2|3,2||3@1 + -')
  const { partitionEpoch } = it.partition('t')
  assert.equal(move(it, [3, 2]), null)
  assert.equal(it.partition('t').partitionEpoch, partitionEpoch, 'as it is already')
  it.fence(2)
  move(it, [3])
  assert.equal(state(it), '3|3||3@1 + -')
})

test('the others go only when those that remain can commit without them', () => {
  const it = cluster()
  it.fence(1)
  it.heard(1)
  it.fence(2)
  it.heard(2)
  assert.equal(state(it), '1,2,3|3|2|3@2 + -')
  move(it, [1, 2])
  assert.equal(state(it), '1,2,3|3|2|3@2 + -3')
  it.alter('t', [2, 3])
  it.alter('t', [2])
  assert.equal(state(it), '1,2|2||2@3 + -', 'one of two is enough, and the leader is gone')
})

test('while it moves, no more of them must be in sync than before, and those that are added may go again', () => {
  const it = cluster()
  move(it, [4, 5, 6])
  it.alter('t', [1, 2, 3, 4])
  it.fence(4)
  assert.equal(state(it), '4,5,6,1,2,3|1,2,3||1@0 +4,5,6 -1,2,3')
  it.fence(1)
  assert.equal(state(it), '4,5,6,1,2,3|2,3||2@1 +4,5,6 -1,2,3', 'two of three, as before')
  it.fence(2)
  assert.equal(state(it), '4,5,6,1,2,3|3|2|3@2 +4,5,6 -1,2,3')
})

test('given up: whom it added is gone, a leader among them when it lets go', () => {
  const it = cluster()
  move(it, [4, 5, 6])
  it.alter('t', [1, 2, 3, 4])
  for (const id of [1, 2, 3]) it.drain(id)
  assert.equal(state(it), '4,5,6,1,2,3|4,1,2,3||4@1 +4,5,6 -1,2,3')
  assert.equal(move(it, null), null)
  assert.equal(state(it), '1,2,3,4|4,1,2,3||4@1 + -4', 'what it has taken it settles first')
  it.alter('t', [1, 2, 3])
  assert.equal(state(it), '1,2,3|1,2,3||1@2 + -')
  assert.equal(move(it, null), 'NO_REASSIGNMENT_IN_PROGRESS')
})

test('replaced: a leader that only the old move added stays until it lets go, or for good where the new one names it', () => {
  const started = (): Cluster => {
    const it = cluster()
    move(it, [4, 5])
    it.alter('t', [1, 2, 3, 4])
    for (const id of [1, 2, 3]) it.drain(id)
    assert.equal(state(it), '4,5,1,2,3|4,1,2,3||4@1 +4,5 -1,2,3')
    return it
  }
  const away = started()
  move(away, [6, 1])
  assert.equal(state(away), '6,1,2,3,4|4,1,2,3||4@1 +6 -2,3,4')
  away.alter('t', [1, 2, 3, 4, 6])
  away.alter('t', [1, 6])
  assert.equal(state(away), '6,1|6,1||6@2 + -')
  const there = started()
  move(there, [1, 4])
  assert.equal(state(there), '1,4,2,3|4,1,2,3||4@1 +4 -2,3')
  there.alter('t', [1, 4])
  assert.equal(state(there), '1,4|1,4||4@1 + -')
})

test('given up when only the added are in sync: it waits for those that were there before', () => {
  const it = cluster()
  move(it, [4, 5, 6])
  it.alter('t', [1, 2, 3, 4])
  for (const id of [1, 2, 3]) it.fence(id)
  assert.equal(state(it), '4,5,6,1,2,3|4|3|4@1 +4,5,6 -1,2,3')
  assert.equal(move(it, null), null)
  assert.equal(state(it), '1,2,3,4|4|3|4@1 + -4')
  it.heard(3)
  it.alter('t', [4, 3])
  assert.equal(state(it), '1,2,3,4|3,4||4@1 + -4')
})

test('another move in the place of one under way keeps what that one has done', () => {
  const it = cluster()
  move(it, [4, 5, 6])
  it.alter('t', [1, 2, 3, 4, 6])
  assert.equal(move(it, [4, 5, 1]), null)
  assert.equal(state(it), '4,5,1,2,3|4,1,2,3||1@0 +4,5 -2,3')
  it.alter('t', [1, 2, 3, 4, 5])
  it.alter('t', [1, 4, 5])
  assert.equal(state(it), '4,5,1|4,5,1||1@0 + -')
})

test('who is refused', () => {
  const it = cluster()
  it.fence(6)
  assert.equal(move(it, []), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(move(it, [4, 4]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(move(it, [4, 9]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(move(it, [6]), 'INVALID_REPLICA_ASSIGNMENT', 'it is away')
  assert.equal(move(it, [1], 'none'), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(move(it, [1], 't', 1), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(
    move(
      it,
      Array.from({ length: 16 }, (_, at) => at + 1),
    ),
    'INVALID_REPLICATION_FACTOR',
  )
  assert.equal(state(it), '1,2,3|1,2,3||1@0 + -')
  const twice = { topic: 't', partition: 0, replicas: [4] }
  const request = { session: null, timeoutMs: 0, partitions: [twice, twice] }
  const { records, response } = decideAlterReassignments(it.image, request, { ...it.terms, limits: defaultLimits })
  assert.deepEqual(records, [])
  assert.deepEqual(
    response.partitions.map(({ errorCode }) => errorName(errorCode)),
    ['INVALID_REQUEST', 'INVALID_REQUEST'],
  )
})

test('a replica that was added and comes back without its logs has to catch up again', () => {
  const it = cluster()
  move(it, [4, 5, 6])
  it.alter('t', [1, 2, 3, 4, 5])
  it.register(4, 'wiped')
  assert.equal(state(it), '4,5,6,1,2,3|5,1,2,3||1@0 +4,5,6 -1,2,3')
  it.alter('t', [1, 2, 3, 5, 6])
  assert.equal(state(it), '4,5,6,1,2,3|5,6,1,2,3||1@0 +4,5,6 -1,2,3')
  it.alter('t', [1, 2, 3, 4, 5, 6])
  it.alter('t', [4, 5, 6])
  assert.equal(state(it), '4,5,6|4,5,6||4@1 + -')
})

test('a leader that is to go, and is gone, holds nothing up', () => {
  const it = cluster()
  move(it, [4, 5])
  it.alter('t', [1, 2, 3, 4, 5])
  it.fence(1)
  assert.equal(state(it), '4,5|4,5||4@1 + -')
})

test('a leader that is to go, and stops, has let go; another one lets go of the others', () => {
  const it = cluster()
  move(it, [4, 5])
  it.alter('t', [1, 2, 3, 4, 5])
  assert.equal(it.shutDown(1), true)
  assert.equal(state(it), '4,5,1,2,3|4,5,2,3||4@1 +4,5 -1,2,3')
  it.alter('t', [4, 5])
  assert.equal(state(it), '4,5|4,5||4@1 + -')
})

test('a leader that drains while it is moved away goes when it lets go, whichever began first', () => {
  const it = cluster()
  move(it, [4, 5])
  it.alter('t', [1, 2, 3, 4, 5])
  assert.equal(it.drain(1), 1, 'it leads for a moment')
  assert.equal(state(it), '4,5,1,2,3|4,5,1,2,3||1@0 +4,5 -1,2,3')
  it.alter('t', [4, 5])
  assert.equal(state(it), '4,5|4,5||4@1 + -')
  for (const id of [4, 5]) it.drain(id)
  assert.equal(it.standing('t'), '4,5|4,5||5@2', 'nobody else can')
  move(it, [3])
  it.alter('t', [3, 4, 5])
  assert.equal(state(it), '3,4,5|3,4,5||5@2 +3 -4,5')
  it.alter('t', [3])
  assert.equal(state(it), '3|3||3@3 + -')
})

test('a leader that has let go of a replica which has lagged meanwhile leads no more, and the move goes on', () => {
  const it = cluster()
  move(it, [4, 5, 2])
  it.alter('t', [1, 2, 3, 4, 5])
  it.alter('t', [2, 4])
  assert.equal(state(it), '4,5,2,1,3|4,2||4@1 +4,5 -1,3')
  it.alter('t', [2, 4, 5])
  assert.equal(state(it), '4,5,2|4,5,2||4@1 + -')
})

test('a topic may grow and go while a partition of it moves', () => {
  const it = cluster()
  move(it, [4, 5])
  const request = {
    session: null,
    timeoutMs: 0,
    validateOnly: false,
    topics: [{ name: 't', count: 2, assignments: null }],
  }
  it.commit(decideCreatePartitions(it.image, request, topicFacts(1)))
  assert.equal(it.partition('t', 1).replicas.length, 2, 'as many as the first will have')
  it.commit(decideDeleteTopics(it.image, { session: null, timeoutMs: 0, topics: [{ name: 't', topicId: null }] }))
  assert.equal(move(it, null), 'UNKNOWN_TOPIC_OR_PARTITION')
})

test('of a replica that its disk failed nothing is known once it has gone', () => {
  const it = cluster()
  it.lose(2, 't')
  move(it, [1, 4])
  assert.deepEqual(it.partition('t').offlineReplicas, [2])
  assert.equal(it.alter('t', [1, 3, 4]), null)
  assert.equal(it.alter('t', [1, 4]), 'INVALID_UPDATE_VERSION')
  assert.equal(state(it), '1,4|1,4||1@0 + -')
  assert.deepEqual(it.partition('t').offlineReplicas, [])
  move(it, [1, 2])
  it.lose(2, 't')
  move(it, null)
  assert.deepEqual(it.partition('t').offlineReplicas, [])
})
