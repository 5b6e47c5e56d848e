import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sessionsOldestFirst } from '../../src/metadata/cluster-image.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import { type Decision, defaultLimits, type MetadataLimits } from '../../src/metadata/decision.ts'
import { decideDeleteTopics } from '../../src/metadata/delete-topics.ts'
import { decideOnce } from '../../src/metadata/sessions.ts'
import { restoreSnapshot, writeSnapshot } from '../../src/metadata/snapshot.ts'
import { createTopics, deleteTopics } from '../../src/protocol/apis/index.ts'
import { type Failure, isFailure } from '../../src/protocol/errors.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { Cluster } from './cluster.ts'
import { createRequest, topicFacts, topicRequest } from './history.ts'

function create(it: Cluster, clientId: string, requestId: number, name: string, limits: Partial<MetadataLimits> = {}) {
  const session = { clientId, requestId }
  const request = { ...createRequest(topicRequest(name)), session }
  // Other ids each time: deciding again would show.
  const seed = it.image.lastOffset
  return decideOnce(it.image, createTopics, session, { ...defaultLimits, ...limits }, () =>
    decideCreateTopics(it.image, request, topicFacts(seed)),
  )
}

function done<T>(it: Cluster, decision: Decision<T> | Failure): T {
  assert(!isFailure(decision))
  return it.commit(decision)
}

const clients = (it: Cluster): string[] => [...sessionsOldestFirst(it.image.sessions)].map(([clientId]) => clientId)

test('a retry gets the first answer byte for byte and changes nothing, also after a snapshot', () => {
  const it = new Cluster(1)
  const first = done(it, create(it, 'me', 1, 'orders'))
  const bytesOf = (response: typeof first): Uint8Array => pack(createTopics.response.encode(response, 0))
  for (const image of [it.image, restoreSnapshot(writeSnapshot(it.image))]) {
    it.image = image
    const retry = create(it, 'me', 1, 'orders')
    assert(!isFailure(retry))
    assert.deepEqual(retry.records, [])
    assert.deepEqual(retry.response, first)
    assert.deepEqual(bytesOf(retry.response), bytesOf(first))
    assert.deepEqual([...image.sessions.byClient.get('me')!.response], [...bytesOf(first)])
  }
})

test('the answer is in the same batch as what it reports', () => {
  const it = new Cluster(1)
  const decision = create(it, 'me', 1, 'orders')
  assert(!isFailure(decision))
  assert.deepEqual(
    decision.records.map(record => record.kind),
    ['topic', 'partition', 'partition', 'session'],
  )
})

test('a refusal is an answer too: a late duplicate does not become a success', () => {
  const it = new Cluster(1)
  done(it, create(it, 'other', 1, 'orders'))
  const refused = done(it, create(it, 'me', 1, 'orders'))
  assert.notEqual(refused.topics[0]!.errorCode, 0)
  it.commit(decideDeleteTopics(it.image, { session: null, timeoutMs: 0, topics: [{ name: 'orders', topicId: null }] }))
  assert.deepEqual(done(it, create(it, 'me', 1, 'orders')), refused)
  assert.equal(it.image.topics.byName.size, 0)
})

test('a request older than the latest is refused, and says so', () => {
  const it = new Cluster(1)
  done(it, create(it, 'me', 5, 'a'))
  const late = create(it, 'me', 4, 'b')
  assert(isFailure(late))
  assert.equal(late.error, 'INVALID_REQUEST')
  assert.match(late.message, /Request 4 is older than 5/)
  done(it, create(it, 'me', 6, 'b'))
  done(it, create(it, 'you', 4, 'c'))
})

test('one number does not serve two kinds of request', () => {
  const it = new Cluster(1)
  done(it, create(it, 'me', 1, 'a'))
  const request = { session: null, timeoutMs: 0, topics: [{ name: 'a', topicId: null }] }
  const session = { clientId: 'me', requestId: 1 }
  const other = decideOnce(it.image, deleteTopics, session, defaultLimits, () => decideDeleteTopics(it.image, request))
  assert(isFailure(other))
  assert.match(other.message, /another kind/)
})

test('without a session nothing is remembered', () => {
  const it = new Cluster(1)
  const decision = decideOnce(it.image, createTopics, null, defaultLimits, () =>
    decideCreateTopics(it.image, createRequest(topicRequest('a')), topicFacts(1)),
  )
  done(it, decision)
  assert.equal(it.image.sessions.byClient.size, 0)
})

test('when there are too many clients, the one silent longest is forgotten', () => {
  const it = new Cluster(1)
  const limits = { sessionsMax: 3 }
  for (const [at, client] of ['a', 'b', 'c', 'a'].entries()) done(it, create(it, client, at, `t${at}`, limits))
  assert.deepEqual(clients(it), ['b', 'c', 'a'])
  done(it, create(it, 'd', 1, 't9', limits))
  assert.deepEqual(clients(it), ['c', 'a', 'd'])
  // A lower limit takes effect with the next session.
  done(it, create(it, 'a', 9, 't10', { sessionsMax: 1 }))
  assert.deepEqual(clients(it), ['a'])
})

test('answers are bounded in bytes too; the newest is always kept', () => {
  const it = new Cluster(1)
  done(it, create(it, 'a', 1, 'x'))
  const one = it.image.sessions.responseBytes
  const limits = { sessionBytesMax: 2 * one }
  for (const client of ['b', 'c']) done(it, create(it, client, 1, client, limits))
  assert.deepEqual(clients(it), ['b', 'c'])
  assert(it.image.sessions.responseBytes <= limits.sessionBytesMax)
  done(it, create(it, 'd', 1, 'a-much-longer-name-than-the-others', { sessionBytesMax: 1 }))
  assert.deepEqual(clients(it), ['d'])
})
