/** Three controllers: forwarding, retries over crashes, current reads, brokers anywhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controllerHandlers } from '../../src/controller/handlers.ts'
import { soundControllerRules } from '../../src/controller/rules.ts'
import { createTopics, describeQuorum, transferLeadership } from '../../src/protocol/apis/index.ts'
import { ApiError, errorCode } from '../../src/protocol/errors.ts'
import { toBrokerEpoch, toNodeId } from '../../src/util/numbers.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { type FakeGroup, goneGraceMs, openGroup, sessionTimeoutMs } from './fake-group.ts'

const session = { clientId: 'me', requestId: 1 }
const exists = errorCode('TOPIC_ALREADY_EXISTS')
const two = toNodeId(2)

test('the metadata begin with the id their quorum was founded under', async () => {
  const it = await openGroup()
  for (const id of [1, 2, 3]) assert.equal(it.controller(id).clusterId, 'the-cluster')
})

test('a request at any node is done by the leader, and seen where it was asked when it is answered', async () => {
  const it = await openGroup()
  it.isDelivering = false
  const creating = it.create(3, 'a', session)
  await it.settle()
  assert.deepEqual(it.forwarded, ['3>1 CreateTopics', '3>1 ReadIndex'])
  let isAnswered = false
  void creating.then(() => {
    isAnswered = true
  })
  await it.settle()
  assert.equal(isAnswered, false, 'node 3 does not show it yet')
  it.deliver()
  const { topicId } = await it.outcomeOf(creating)
  assert.equal(it.controller(3).metadata.image().topics.byName.get('a')!.id, topicId)
})

test('an answer does not wait for ever for a node that is behind', async () => {
  const it = await openGroup()
  it.isDelivering = false
  assert.equal((await it.outcomeOf(it.create(3, 'a', session))).errorCode, 0)
})

test('a node that does not lead answers others with who does, and asks nobody for them', async () => {
  const it = await openGroup()
  const request = { ...createRequest(topicRequest('a')), session, timeoutMs: 1_000 }
  await assert.rejects(it.controller(2).answer(createTopics, request), (error: unknown) => {
    return error instanceof ApiError && error.code === 'NOT_CONTROLLER' && /node 1 is/.test(error.message)
  })
  assert.deepEqual(it.forwarded, [])
})

test('the listener for other nodes serves the controller, also before it is open', async () => {
  const it = await openGroup()
  const call = async (from: ReturnType<typeof controllerHandlers>) => {
    const handler = from.find(({ api }) => api.key === describeQuorum.key)!
    return handler.handle({ timeoutMs: 100 }, null as never)
  }
  assert.equal(((await call(controllerHandlers(() => it.controller(1)))) as { leaderId: number }).leaderId, 1)
  await assert.rejects(call(controllerHandlers(() => null)), { code: 'NOT_CONTROLLER' })
})

test('the leader crashes after the commit, before the answer: the retry gets the first answer, once applied', async () => {
  const it = await openGroup()
  it.isAutomatic = false
  const creating = it.create(3, 'a', session)
  await it.settle()
  it.crash(1, { survives: true })
  it.isAutomatic = true
  it.elect(2)
  const before = it.committed.length
  const first = await it.outcomeOf(creating)
  assert.equal(first.errorCode, 0)
  assert.equal(it.committed.length, before, 'the retry appended nothing')
  assert.deepEqual(it.forwarded.slice(0, 2), ['3>1 CreateTopics', '3>2 CreateTopics'])
  assert.deepEqual(await it.outcomeOf(it.create(2, 'a', session)), first)
  assert.equal((await it.outcomeOf(it.create(2, 'a', { ...session, requestId: 2 }))).errorCode, exists)
})

test('planted: without sessions that retry is refused though it was done', async () => {
  const it = await openGroup({ rules: { ...soundControllerRules, answersRetriesOnce: false } })
  it.isAutomatic = false
  const creating = it.create(3, 'a', session)
  await it.settle()
  it.crash(1, { survives: true })
  it.isAutomatic = true
  it.elect(2)
  assert.equal((await it.outcomeOf(creating)).errorCode, exists)
})

test('the leader crashes between deciding and committing: the retry is decided anew, and done once', async () => {
  const it = await openGroup()
  it.isAutomatic = false
  const creating = it.create(3, 'a', session)
  await it.settle()
  it.crash(1, { survives: false })
  it.isAutomatic = true
  it.elect(2)
  const { topicId } = await it.outcomeOf(creating)
  assert.equal((await it.outcomeOf(it.create(3, 'a', session))).topicId, topicId)
  await it.start(1)
  for (const id of [1, 2, 3]) assert.equal(it.controller(id).metadata.image().topics.byName.get('a')!.id, topicId)
})

test('a request without a session is not made again once it may have been done', async () => {
  const it = await openGroup()
  it.isAutomatic = false
  const creating = it.create(3, 'a', null)
  await it.settle()
  it.crash(1, { survives: true })
  assert.equal(await it.refusalOf(creating), 'NETWORK_EXCEPTION')
  it.isAutomatic = true
  it.elect(2)
  // One that was refused before it was done is.
  const handedOver = it.create(3, 'b', null)
  it.elect(3)
  assert.equal((await it.outcomeOf(handedOver)).errorCode, 0)
  assert.deepEqual(await it.topics(2), ['a', 'b'])
})

test('a leader that hangs is left as soon as another one is known', async () => {
  const it = await openGroup()
  it.hung.add(1)
  const creating = it.create(3, 'a', session)
  await it.pass(2_000)
  assert.deepEqual(it.forwarded, ['3>1 CreateTopics'])
  it.elect(2)
  assert.equal((await it.outcomeOf(creating)).errorCode, 0)
  assert.equal(it.forwarded[1], '3>2 CreateTopics')
})

test('a leader that hangs and goes on leading: the outcome is open when the time is over', async () => {
  const it = await openGroup()
  it.hung.add(1)
  assert.equal(await it.refusalOf(it.create(3, 'a', session, 1_000)), 'REQUEST_TIMED_OUT')
})

test('while nobody leads requests wait, for a few elections and not longer', async () => {
  const it = await openGroup({ leaderWaitMs: 3_000 })
  it.depose()
  const soon = it.create(3, 'a', session)
  await it.pass(1_000)
  it.elect(2)
  assert.equal((await it.outcomeOf(soon)).errorCode, 0)
  it.depose()
  const fromMs = it.clock.nowMs()
  assert.equal(await it.refusalOf(it.create(3, 'b', session)), 'NOT_CONTROLLER')
  const waitedMs = it.clock.nowMs() - fromMs
  assert(waitedMs >= 3_000 && waitedMs < 4_000, 'it says so well before the time of the request is over')
})

test('a node in a minority neither changes nor shows anything as current', async () => {
  const it = await openGroup({ leaderWaitMs: 1_000 })
  await it.outcomeOf(it.create(1, 'a', session))
  it.cut.add(3)
  await it.outcomeOf(it.delete(1, 'a'))
  assert(it.controller(3).metadata.image().topics.byName.has('a'), 'it has not heard of that')
  assert.equal(await it.refusalOf(it.controller(3).currentImage()), 'NOT_CONTROLLER')
  assert.equal(await it.refusalOf(it.controller(3).currentImage(200)), 'REQUEST_TIMED_OUT')
  assert.equal(await it.refusalOf(it.create(3, 'b', session)), 'NOT_CONTROLLER')
  assert.equal(await it.refusalOf(it.controller(3).request(describeQuorum, { timeoutMs: 0 })), 'NOT_CONTROLLER')
  it.cut.delete(3)
  assert.deepEqual(
    await it.outcomeOf(
      it
        .controller(3)
        .currentImage()
        .then(image => image.topics.byName.size),
    ),
    0,
  )
})

test('a leader that is cut off and does not know it shows nothing as current', async () => {
  const it = await openGroup({ leaderWaitMs: 1_000 })
  it.cut.add(1)
  assert.equal(await it.refusalOf(it.controller(1).currentImage()), 'NOT_CONTROLLER')
})

test('a current read waits until this node has applied what others have acknowledged', async () => {
  const it = await openGroup()
  it.isDelivering = false
  await it.outcomeOf(it.create(1, 'a', session))
  assert.equal(it.controller(2).metadata.image().topics.byName.size, 0)
  const reads = [it.controller(2).currentImage(), it.controller(2).currentImage()]
  await it.settle()
  assert.deepEqual(it.forwarded, ['2>1 ReadIndex'], 'reads of one turn share a question')
  it.deliver()
  for (const read of reads) assert((await it.outcomeOf(read)).topics.byName.has('a'))
})

test('planted: reads that nobody proves show a node’s past', async () => {
  const it = await openGroup({ rules: { ...soundControllerRules, provesReads: false } })
  it.isDelivering = false
  await it.outcomeOf(it.create(1, 'a', session))
  assert.deepEqual(await it.topics(2), [])
})

test('a topic created again is another one; a request for the former finds it gone', async () => {
  const it = await openGroup()
  const first = (await it.outcomeOf(it.create(2, 'a', null))).topicId
  assert.equal((await it.outcomeOf(it.delete(3, 'a', first))).errorCode, 0)
  const second = (await it.outcomeOf(it.create(1, 'a', null))).topicId
  assert.notEqual(second, first)
  assert.equal((await it.outcomeOf(it.delete(2, 'a', first))).errorCode, errorCode('UNKNOWN_TOPIC_ID'))
  assert.deepEqual(await it.topics(3), ['a'])
})

test('what was deleted stays deleted, whoever restarts and leads', async () => {
  const it = await openGroup()
  for (const name of ['a', 'b']) await it.outcomeOf(it.create(2, name, null))
  await it.outcomeOf(it.delete(3, 'a'))
  for (const [down, next] of [
    [1, 2],
    [2, 3],
    [3, 1],
  ] as const) {
    it.crash(down, { survives: false })
    if (it.leader === null) it.elect(next)
    await it.start(down)
    for (const id of [1, 2, 3]) assert.deepEqual(await it.topics(id), ['b'])
  }
})

test('what a deposed leader had decided is forgotten when it leads again', async () => {
  const it = await openGroup()
  it.isAutomatic = false
  const lost = it.create(1, 'a', session)
  await it.settle()
  it.depose()
  it.isAutomatic = true
  it.elect(2)
  const theirs = await it.outcomeOf(it.create(2, 'a', { clientId: 'other', requestId: 1 }))
  it.elect(1)
  assert.equal((await it.outcomeOf(lost)).errorCode, exists, 'the retry sees what the other leader did')
  assert.equal(it.controller(1).metadata.image().topics.byName.get('a')!.id, theirs.topicId)
})

test('what the log refused was never decided: the next request finds nothing of it, and every node agrees', async () => {
  const it = await openGroup()
  assert.deepEqual(await afterRefusal(it), { errorCode: 0, topics: ['a', 'b'] })
  for (const id of [2, 3]) assert.deepEqual(await it.topics(id), ['a', 'b'])
})

test('planted: a leader that builds on records its log refused gets nothing done any more', async () => {
  const it = await openGroup({ rules: { ...soundControllerRules, dropsLostRecords: false } })
  assert.deepEqual(await afterRefusal(it), { errorCode: 'REQUEST_TIMED_OUT', topics: [] })
})

/** `a` is refused by the log of a leader that leads on, and asked for again; then comes `b`. */
async function afterRefusal(it: FakeGroup): Promise<{ errorCode: number | string; topics: readonly string[] }> {
  it.refusal = new ApiError('BROKER_OVERLOADED')
  assert.equal(await it.refusalOf(it.create(1, 'a', null)), 'BROKER_OVERLOADED')
  it.refusal = null
  const outcome = it.create(1, 'a', null).then(
    topic => topic.errorCode,
    (error: ApiError) => error.code,
  )
  const errorCode = await it.outcomeOf(outcome)
  await it.refusalOf(it.create(1, 'b', null))
  return { errorCode, topics: [...it.controller(1).metadata.image().topics.byName.keys()].sort() }
}

test('brokers register and beat through any node; their epochs outlive leaders', async () => {
  const it = await openGroup()
  const epoch = await it.outcomeOf(it.register(3))
  assert.equal(epoch, it.controller(1).metadata.image().brokers.get(toNodeId(3))!.epoch, 'the same process again')
  const beat = () => it.outcomeOf(it.controller(3).heartbeat(toNodeId(3), epoch, 'serve'))
  assert.deepEqual(await beat(), { isFenced: false, mayStop: false })
  it.elect(2)
  assert.deepEqual(await beat(), { isFenced: false, mayStop: false })
  const stale = it.controller(3).heartbeat(toNodeId(3), toBrokerEpoch(epoch + 1), 'serve')
  assert.equal(await it.refusalOf(stale), 'STALE_BROKER_EPOCH')
})

test('a broker whose connection closed is fenced within the grace, and let in again at once', async () => {
  const it = await openGroup()
  const broker = () => it.controller(1).metadata.image().brokers.get(two)!
  const { epoch } = broker()
  it.crash(2, { survives: false })
  await it.pass(goneGraceMs - 50)
  assert.equal(broker().isFenced, false)
  await it.pass(100)
  assert.equal(broker().isFenced, true)
  await it.start(2)
  assert((await it.outcomeOf(it.register(2, 2, 'second'))) > epoch)
  assert.equal(broker().isFenced, false)
})

test('a broker that restarts within the grace need not wait for it', async () => {
  const it = await openGroup()
  assert.equal(await it.refusalOf(it.register(3, 2, 'second')), 'DUPLICATE_BROKER_REGISTRATION')
  it.crash(2, { survives: false })
  await it.start(2)
  const fromMs = it.clock.nowMs()
  const epoch = await it.outcomeOf(it.register(2, 2, 'second'))
  assert(it.clock.nowMs() - fromMs < goneGraceMs)
  await it.pass(2 * goneGraceMs)
  const { isFenced, epoch: current } = it.controller(1).metadata.image().brokers.get(two)!
  assert.deepEqual([isFenced, current], [false, epoch], 'the end of its former life is not held against it')
})

test('a broker that is heard again within the grace stays', async () => {
  const it = await openGroup()
  const { epoch } = it.controller(1).metadata.image().brokers.get(two)!
  it.member(1).goneListener(two)
  await it.pass(goneGraceMs / 2)
  await it.outcomeOf(it.controller(2).heartbeat(two, epoch, 'serve'))
  await it.pass(2 * goneGraceMs)
  assert.equal(it.controller(1).metadata.image().brokers.get(two)!.isFenced, false)
})

test('connections that broke because the leader stood still are not held against the brokers', async () => {
  const it = await openGroup()
  await it.pass(1_500)
  // Everything that falls due meanwhile comes late, and with it the news that everybody hung up.
  const realNow = it.clock.nowMs.bind(it.clock)
  it.clock.nowMs = () => realNow() + 5_000
  for (const id of [2, 3]) it.member(1).goneListener(toNodeId(id))
  await it.pass(2_000)
  const fenced = [...it.controller(1).metadata.image().brokers.values()].filter(({ isFenced }) => isFenced)
  assert.deepEqual(fenced, [])
})

test('a new leader grants every broker a whole session, then fences the silent', async () => {
  const it = await openGroup()
  await it.pass(sessionTimeoutMs - 1_000)
  it.elect(2)
  const fenced = () => [...it.controller(2).metadata.image().brokers.values()].filter(broker => broker.isFenced).length
  await it.pass(sessionTimeoutMs - 1_000)
  assert.equal(fenced(), 0)
  await it.pass(3_000)
  assert.equal(fenced(), 3)
})

test('leaders are spread over the brokers; one that is away takes its partitions along and brings them back', async () => {
  const it = await openGroup()
  const request = createRequest(topicRequest('t', { numPartitions: 6 }))
  await it.outcomeOf(it.controller(1).request(createTopics, request))
  const leaders = () =>
    it
      .controller(1)
      .metadata.image()
      .topics.byName.get('t')!
      .partitions.map(p => p.leaderId)
  assert.deepEqual([...leaders()].sort(), [1, 1, 2, 2, 3, 3])
  const before = leaders()
  it.crash(2, { survives: false })
  await it.pass(2 * goneGraceMs)
  assert.deepEqual(
    leaders(),
    before.map(id => (id === 2 ? null : id)),
  )
  await it.start(2)
  await it.outcomeOf(it.register(2, 2, 'second'))
  assert.deepEqual(leaders(), before)
})

test('handing over is asked once, and answered with who leads then', async () => {
  const it = await openGroup()
  const answer = it.controller(3).request(transferLeadership, { to: 2, timeoutMs: 5_000 })
  assert.deepEqual(await it.outcomeOf(answer), { leaderId: 2 })
  assert.deepEqual(it.forwarded, ['3>1 TransferLeadership'])
})

test('a node that closes refuses what it still had to ask', async () => {
  const it = await openGroup()
  it.hung.add(1)
  const creating = it.create(3, 'a', session)
  await it.settle()
  await it.controller(3)[Symbol.asyncDispose]()
  assert.equal(await it.refusalOf(creating), 'SHUTTING_DOWN')
})
