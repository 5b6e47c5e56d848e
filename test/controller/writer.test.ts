/** The single writer: order, batches, answers, lost leadership, open outcomes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntry, encodeEntry } from '../../src/metadata/records.ts'
import {
  alterConfigs,
  apiVersions,
  createPartitions,
  createTopics,
  deleteTopics,
} from '../../src/protocol/apis/index.ts'
import { ApiError, errorCode } from '../../src/protocol/errors.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { openHarness } from './harness.ts'

const exists = errorCode('TOPIC_ALREADY_EXISTS')

test('each kind of admin request is decided, committed and answered', async () => {
  const it = await openHarness()
  const { controller } = it
  assert.equal(await it.createOutcome('a'), 0)
  const topics = [{ name: 'a', count: 3, assignments: null }]
  await it.outcome(controller.request(createPartitions, { session: null, timeoutMs: 0, validateOnly: false, topics }))
  const changes = [{ op: 'set' as const, key: 'retention.ms', value: '5' }]
  const resources = [{ type: 'topic' as const, name: 'a', changes }]
  await it.outcome(controller.request(alterConfigs, { session: null, validateOnly: false, resources }))
  const topic = controller.metadata.image().topics.byName.get('a')!
  assert.equal(topic.partitions.length, 3)
  assert.deepEqual([...topic.configs], [['retention.ms', '5']])
  const names = [{ name: 'a', topicId: topic.id }]
  await it.outcome(controller.request(deleteTopics, { session: null, timeoutMs: 0, topics: names }))
  assert.deepEqual(it.topics(), [])
})

test('what is not for the controller is refused', async () => {
  const it = await openHarness()
  const request = { software: 'x', softwareVersion: '1' } as never
  assert.equal(await it.outcome(it.controller.request(apiVersions, request)), 'INVALID_REQUEST')
})

test('requests of one turn are one proposal, one entry each, decided in order', async () => {
  const it = await openHarness()
  const before = it.quorum.batches.length
  const answers = ['a', 'b', 'a', 'c'].map(name => it.createOutcome(name))
  assert.deepEqual(await Promise.all(answers), [0, 0, exists, 0])
  assert.deepEqual(it.quorum.batches.slice(before), [3])
})

test('two quick creates of one topic: the second is refused, though the first is not committed yet', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const first = it.createOutcome('a')
  await it.settle()
  const second = it.createOutcome('a')
  await it.settle()
  assert.deepEqual(it.topics(), [], 'readers see only what is committed')
  let isAnswered = false
  void second.then(() => (isAnswered = true))
  await it.settle()
  assert.equal(isAnswered, false, 'the refusal rests on what is in flight and waits for it')
  it.quorum.commit()
  assert.deepEqual(await Promise.all([first, second]), [0, exists])
})

test('a refusal of a leader that may be deposed waits for the read barrier', async () => {
  const it = await openHarness()
  await it.createOutcome('a')
  it.quorum.isAutomatic = false
  const barriers = it.quorum.barriers
  const refused = it.createOutcome('a')
  await it.settle()
  assert.equal(it.quorum.barriers, barriers + 1)
  it.quorum.lose(2)
  assert.equal(await refused, 'NOT_CONTROLLER')
})

test('not the leader: NOT_CONTROLLER names who is', async () => {
  const it = await openHarness()
  it.quorum.lose(2)
  await assert.rejects(it.create('a'), (error: unknown) => {
    return error instanceof ApiError && error.code === 'NOT_CONTROLLER' && /node 2 is/.test(error.message)
  })
  assert.equal(it.controller.leaderId(), 2)
  it.quorum.lose(null)
  await assert.rejects(it.create('a'), /Node 1 knows of no active controller; it hears 1 of 2 voters/)
})

test('leadership lost before the turn ends: what is queued is refused and leaves no trace', async () => {
  const it = await openHarness()
  const length = it.quorum.log.length
  const answer = it.createOutcome('a')
  it.quorum.lose(2)
  assert.equal(await answer, 'NOT_CONTROLLER')
  assert.equal(it.quorum.log.length, length)
})

test('leadership lost and the tail dropped: the appended image goes with it', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const lost = it.createOutcome('a')
  await it.settle()
  it.quorum.lose(2)
  it.quorum.truncate()
  assert.equal(await lost, 'NOT_CONTROLLER')
  it.quorum.isAutomatic = true
  it.quorum.lead()
  assert.equal(await it.createOutcome('a'), 0)
})

test('leadership lost and regained with the tail kept: the open request succeeds, a new one sees it', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const kept = it.createOutcome('a')
  await it.settle()
  it.quorum.lose(null)
  it.quorum.lead()
  it.quorum.isAutomatic = true
  assert.equal(await it.createOutcome('a'), exists)
  assert.equal(await kept, 0)
})

test('an outcome that stays open is REQUEST_TIMED_OUT, and its records stay in what is decided upon', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const open = it.createOutcome('a')
  await it.settle()
  it.quorum.timeOut()
  assert.equal(await open, 'REQUEST_TIMED_OUT')
  const second = it.createOutcome('a')
  await it.settle()
  it.quorum.commit()
  assert.equal(await second, exists)
  assert.deepEqual(it.topics(), ['a'])
})

test("a request's own timeout ends its wait, also in a queue that does not move", async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const waiting = it.create('a', null, 700)
  const outcome = it.outcome(waiting)
  await it.settle()
  await it.advance(1000)
  assert.equal(await outcome, 'REQUEST_TIMED_OUT')
})

test('a proposal the quorum refuses takes back what was decided on it', async () => {
  const it = await openHarness()
  it.quorum.refusal = new ApiError('BROKER_OVERLOADED')
  assert.equal(await it.createOutcome('a'), 'BROKER_OVERLOADED')
  it.quorum.refusal = null
  assert.equal(await it.createOutcome('a'), 0)
})

test('what was decided behind a refused proposal is held until the outcome of the others is known', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const first = it.createOutcome('a')
  await it.settle()
  it.quorum.refusal = new ApiError('BROKER_OVERLOADED')
  const refused = it.createOutcome('b')
  assert.equal(await refused, 'BROKER_OVERLOADED')
  it.quorum.refusal = null
  const length = it.quorum.log.length
  const third = it.createOutcome('b')
  await it.settle()
  assert.equal(it.quorum.log.length, length, 'nothing is decided on an image that will not be')
  it.quorum.isAutomatic = true
  it.quorum.commit()
  await it.settle()
  assert.deepEqual(await Promise.all([first, third]), [0, 0])
  assert.deepEqual(it.topics(), ['a', 'b'])
})

test('an entry of a former leader gets in between: ours is passed over, the client hears it, and deciding goes on', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  // Decided by somebody else for the very offset that our decision expects.
  const baseOffset = it.controller.metadata.image().lastOffset + 1
  it.quorum.append(encodeEntry({ baseOffset, records: [{ kind: 'topic', topicId: 'theirs', name: 'a' }] }))
  const ours = it.createOutcome('a')
  await it.settle()
  it.quorum.isAutomatic = true
  it.quorum.commit()
  assert.equal(await ours, 'NOT_CONTROLLER')
  assert.equal(it.controller.metadata.image().topics.byName.get('a')!.id, 'theirs')
  assert.equal(await it.createOutcome('a'), exists)
  assert.equal(await it.createOutcome('b'), 0)
})

test('an entry that timed out, was forgotten by a restart of deciding, and is committed late costs a retry, no more', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const open = it.createOutcome('a')
  await it.settle()
  it.quorum.timeOut()
  assert.equal(await open, 'REQUEST_TIMED_OUT')
  it.quorum.refusal = new ApiError('BROKER_OVERLOADED')
  assert.equal(await it.createOutcome('b'), 'BROKER_OVERLOADED')
  it.quorum.refusal = null
  const third = it.createOutcome('b')
  await it.settle()
  it.quorum.isAutomatic = true
  it.quorum.commit()
  assert.equal(await third, 'NOT_CONTROLLER')
  assert.equal(await it.createOutcome('b'), 0)
  assert.deepEqual(it.topics(), ['a', 'b'])
})

test('a retry after the answer was lost gets the first answer; it is applied once', async () => {
  const it = await openHarness()
  const session = { clientId: 'me', requestId: 7 }
  const first = await it.outcome(it.create('a', session))
  assert.deepEqual(await it.outcome(it.create('a', session)), first)
  it.quorum.lose(2)
  it.quorum.lead()
  assert.deepEqual(await it.outcome(it.create('a', session)), first)
  assert.deepEqual(it.topics(), ['a'])
})

test('a retry that overtakes the commit of the first attempt gets the same answer, when that is committed', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const session = { clientId: 'me', requestId: 7 }
  const first = it.outcome(it.create('a', session))
  const retry = it.outcome(it.create('a', session))
  await it.settle()
  it.quorum.commit()
  await it.settle()
  it.quorum.commit()
  assert.deepEqual(await retry, await first)
  const kinds = it.quorum.log.flatMap(({ data }) => decodeEntry(data).records.map(record => record.kind))
  assert.equal(kinds.filter(kind => kind === 'topic').length, 1)
  it.quorum.isAutomatic = true
  assert.equal(await it.outcome(it.create('b', { clientId: 'me', requestId: 6 })), 'INVALID_REQUEST')
})

test('a validateOnly request needs no session and writes nothing', async () => {
  const it = await openHarness()
  const length = it.quorum.log.length
  const request = { ...createRequest(topicRequest('a')), validateOnly: true, session: { clientId: 'me', requestId: 1 } }
  const answer = await it.outcome(it.controller.request(createTopics, request))
  assert(typeof answer !== 'string' && answer.topics[0]!.errorCode === 0)
  assert.equal(it.quorum.log.length, length)
})

test('a value that no record can hold is the fault of the request', async () => {
  const it = await openHarness()
  const session = { clientId: 'x'.repeat(300), requestId: 1 }
  assert.equal(await it.outcome(it.create('a', session)), 'INVALID_REQUEST')
  assert.equal(await it.createOutcome('a'), 0)
})

test('many requests at once are decided in turns, all of them answered', async () => {
  const it = await openHarness()
  const answers = Array.from({ length: 1200 }, (_, i) => it.create(`t${i}`))
  await it.settle()
  for (const answer of await Promise.all(answers)) assert.equal(answer.topics[0]!.errorCode, 0)
  assert.equal(it.topics().length, 1200)
  assert(it.quorum.batches.length < 10)
})

test('more requests than may wait are refused at once', async () => {
  const it = await openHarness()
  it.quorum.isAutomatic = false
  const names = Array.from({ length: 20_001 }, (_, i) => `t${i}`)
  const outcomes = names.map(name =>
    it.create(name).then(
      () => 'done',
      (error: ApiError) => error.code,
    ),
  )
  assert.equal(await outcomes.at(-1), 'BROKER_OVERLOADED')
  it.quorum.lose(2)
  assert.equal(await outcomes[0], 'NOT_CONTROLLER')
  assert.equal(it.quorum.batches.length, 2, 'bootstrap and registration only')
})

test('closing refuses what waits and closes the quorum', async () => {
  const it = await openHarness()
  const waiting = it.createOutcome('a')
  const closing = it.controller[Symbol.asyncDispose]()
  assert.equal(await waiting, 'SHUTTING_DOWN')
  await closing
  assert.equal(it.quorum.isClosed, true)
  assert.equal(await it.createOutcome('a'), 'SHUTTING_DOWN')
})
