/** Elections that are asked for, by an operator or by the controller itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideAlterReassignments } from '../../src/metadata/alter-reassignments.ts'
import { defaultLimits } from '../../src/metadata/decision.ts'
import { decideBalance, decideElectLeaders } from '../../src/metadata/elect-leaders.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { Cluster } from './cluster.ts'

function elect(it: Cluster, electionType: 'preferred' | 'unclean', ...names: string[]) {
  const request = {
    session: null,
    timeoutMs: 0,
    electionType,
    partitions: names.length === 0 ? null : names.map(topic => ({ topic, partition: 0 })),
  }
  const { partitions } = it.commit(decideElectLeaders(it.image, request, it.terms))
  return partitions.map(answer => [answer.topic, errorName(answer.errorCode), answer.leaderId] as const)
}

function move(it: Cluster, topic: string, replicas: number[]): void {
  const request = { session: null, timeoutMs: 0, partitions: [{ topic, partition: 0, replicas }] }
  it.commit(decideAlterReassignments(it.image, request, { ...it.terms, limits: defaultLimits }))
}

/** Broker 1 was away: `back` and `late` are led by 2, and 1 is in sync with `back` only; `own` never moved. */
function returned(): Cluster {
  const it = new Cluster(1, 2)
  it.create('back', { assignments: [[1, 2]] })
  it.create('late', { assignments: [[1, 2]] })
  it.create('own', { assignments: [[2, 1]] })
  it.fence(1)
  it.heard(1)
  it.alter('back', [1, 2])
  return it
}

test('preferred: the first replica leads, if it is in sync and available', () => {
  const it = returned()
  assert.deepEqual(elect(it, 'preferred', 'back', 'late', 'own', 'none', 'own'), [
    ['back', null, 1],
    ['late', 'PREFERRED_LEADER_NOT_AVAILABLE', -1],
    ['own', 'INVALID_REQUEST', -1],
    ['none', 'UNKNOWN_TOPIC_OR_PARTITION', -1],
    ['own', 'INVALID_REQUEST', -1],
  ])
  assert.equal(it.standing('back'), '1,2|1,2||1@2')
  assert.deepEqual(elect(it, 'preferred', 'own'), [['own', 'ELECTION_NOT_NEEDED', -1]])
})

test('preferred, of all: those that change are told', () => {
  const it = returned()
  assert.deepEqual(elect(it, 'preferred'), [['back', null, 1]])
  assert.deepEqual(elect(it, 'preferred'), [])
})

test('a preferred leader that drains is not given anything', () => {
  const it = returned()
  it.drain(1)
  assert.deepEqual(elect(it, 'preferred', 'back'), [['back', 'PREFERRED_LEADER_NOT_AVAILABLE', -1]])
})

test('a leader that is being moved away lets go by itself: what it has taken it settles first', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]] })
  move(it, 't', [2])
  assert.equal(it.standing('t'), '2,1|1,2||1@0')
  assert.deepEqual(elect(it, 'preferred', 't'), [['t', 'ELECTION_NOT_NEEDED', -1]])
  assert.deepEqual(decideBalance(it.image, it.terms, 10).records, [])
  it.alter('t', [2])
  assert.equal(it.standing('t'), '2|2||2@1')
})

test('the balance takes as many as it may, and is done when it takes none', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: Array.from({ length: 5 }, () => [1, 2]) })
  it.fence(1)
  it.heard(1)
  for (let partition = 0; partition < 5; partition++) it.alter('t', [1, 2], partition)
  const moved = Array.from({ length: 4 }, () => it.commit(decideBalance(it.image, it.terms, 2)))
  assert.deepEqual(moved, [2, 2, 1, 0])
  assert.equal(it.standing('t', 4), '1,2|1,2||1@2')
})

test('unclean: somebody alive leads where nobody has everything, and what that may cost is on record', () => {
  const it = new Cluster(1, 2, 3)
  it.create('lost', { assignments: [[1, 2]] })
  it.create('dead', { assignments: [[1]] })
  it.create('led', { assignments: [[2, 3]] })
  it.fence(2)
  it.heard(2)
  it.fence(1)
  assert.equal(it.standing('lost'), '1,2||1|none@1')
  assert.deepEqual(elect(it, 'unclean', 'lost', 'dead', 'led'), [
    ['lost', null, 2],
    ['dead', 'ELIGIBLE_LEADERS_NOT_AVAILABLE', -1],
    ['led', 'ELECTION_NOT_NEEDED', -1],
  ])
  assert.equal(it.standing('lost'), '1,2|2||2@2')
  assert.equal(it.partition('lost').uncleanEpoch, 2)
  it.heard(1)
  assert.equal(it.standing('lost'), '1,2|2||2@2', 'who had everything comes too late')
})

test('unclean: a move to the one who is elected is over', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1]] })
  move(it, 't', [2])
  it.fence(1)
  assert.equal(it.standing('t'), '2,1||1|none@1')
  assert.deepEqual(elect(it, 'unclean', 't'), [['t', null, 2]])
  assert.equal(it.standing('t'), '2|2||2@2')
})

test('unclean.leader.election.enable: nobody has to ask', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]] })
  it.fence(2)
  it.fence(1)
  it.heard(2)
  assert.equal(it.standing('t'), '1,2||1|none@1')
  it.configure('t', 'unclean.leader.election.enable', 'true')
  assert.equal(it.standing('t'), '1,2|2||2@2', 'the config that allows it is enough')
  assert.equal(it.partition('t').uncleanEpoch, 2)
  it.heard(1)
  it.alter('t', [1, 2])
  it.fence(2)
  assert.equal(it.standing('t'), '1,2|1||1@3')
  assert.equal(it.partition('t').uncleanEpoch, 2, 'a clean election is none the less clean for it')
})

test('the node decides where the topic does not', () => {
  const it = new Cluster(1, 2)
  it.isUncleanAllowed = true
  it.create('lossy', { assignments: [[1, 2]] })
  it.create('safe', { assignments: [[1, 2]], configs: [{ key: 'unclean.leader.election.enable', value: 'false' }] })
  it.fence(2)
  it.heard(2)
  it.fence(1)
  assert.equal(it.standing('lossy'), '1,2|2||2@1')
  assert.equal(it.standing('safe'), '1,2||1|none@1')
})
