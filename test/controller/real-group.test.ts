/** Three controllers over real Raft and real connections, their processes being killed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTopics, deleteTopics, describeQuorum } from '../../src/protocol/apis/index.ts'
import { ApiError, errorCode } from '../../src/protocol/errors.ts'
import type { NodeId } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { seedRange } from '../support/depth.ts'
import { goneGraceMs, ids, openRealGroup, type RealGroup } from './real-group.ts'

test('three blank nodes found one cluster, named after their disks, and describe it alike', async () => {
  const it = await openRealGroup(1)
  const controllers = it.controllers()
  const [clusterId] = new Set(controllers.map(controller => controller.clusterId))
  assert.equal(controllers[0]!.status().clusterId, clusterId)
  for (const controller of controllers) {
    const described = await it.outcomeOf(controller.request(describeQuorum, { timeoutMs: 5_000 }))
    assert.deepEqual([described.clusterId, described.leaderId], [clusterId, it.leaderId()])
    assert.deepEqual(
      [...described.voters].sort((a, b) => a.id - b.id).map(({ id, diskId, url }) => [id, diskId, url]),
      ids.map(id => [id, `disk-${id}`, `ws://node-${id}`]),
    )
  }
})

test('a minority refuses; the rest goes on', async () => {
  const it = await openRealGroup(2)
  const leaderId = it.leaderId()!
  for (const id of ids) if (id !== leaderId) it.kill(id)
  await it.pass(3_000)
  const alone = it.nodes.get(leaderId)!.controller!
  await assert.rejects(it.outcomeOf(alone.currentImage(8_000)), (error: unknown) => {
    return error instanceof ApiError && (error.code === 'NOT_CONTROLLER' || error.code === 'REQUEST_TIMED_OUT')
  })
  it.start(ids.find(id => id !== leaderId)!)
  await it.until(() => it.leaderId() !== null, 'a leader of two')
  await it.outcomeOf(alone.currentImage())
})

test('a broker whose connections are reset is never fenced', async () => {
  const it = await openRealGroup(3)
  const fenced: NodeId[] = []
  for (const { metadata } of it.controllers()) {
    metadata.subscribe(image => {
      for (const { nodeId, isFenced } of image.brokers.values()) if (isFenced) fenced.push(nodeId)
    })
  }
  for (let round = 0; round < 10; round++) {
    for (const id of ids) {
      it.reset(id)
      await it.pass(1_100 + 90 * round)
    }
  }
  await it.pass(2 * goneGraceMs)
  assert.deepEqual(fenced, [])
})

for (const isLeader of [false, true]) {
  test(`a broker that is killed ${isLeader ? 'together with the active controller ' : ''}is fenced when the grace is over`, async () => {
    const it = await openRealGroup(4)
    const leaderId = it.leaderId()!
    const victim = isLeader ? leaderId : ids.find(id => id !== leaderId)!
    it.kill(victim)
    await it.until(() => it.leaderId() !== null, 'a leader')
    const fromMs = it.clock.nowMs()
    const { metadata } = it.nodes.get(it.leaderId()!)!.controller!
    await it.until(() => metadata.image().brokers.get(victim)!.isFenced, 'fenced')
    const tookMs = it.clock.nowMs() - fromMs
    assert(tookMs >= goneGraceMs - 50 && tookMs <= goneGraceMs + 100, `virtual ms: ${tookMs}`)
    const others = [...metadata.image().brokers.values()].filter(broker => broker.nodeId !== victim)
    assert(others.every(broker => !broker.isFenced))
  })
}

test('seeds: whatever is killed when, a topic acknowledged is there, once, under the id of its answer; a deleted one is not', async () => {
  const { from, to } = seedRange(6)
  for (let seed = from; seed <= to; seed++) {
    try {
      await churn(seed)
    } catch (error) {
      throw new Error(`seed ${seed}: MILLRACE_TEST_SEEDS=${seed} node scripts/test.mjs test/controller/real-group`, {
        cause: error,
      })
    }
  }
})

interface Client {
  readonly name: string
  /** Topic id by name, of what it was told is there. */
  readonly acknowledged: Map<string, string>
  readonly deleted: Set<string>
  /** Names it does not know the fate of. */
  readonly open: Set<string>
}

async function churn(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const it = await openRealGroup(seed)
  let isOver = false
  const clients = ['a', 'b', 'c'].map((name): Client => {
    return { name, acknowledged: new Map(), deleted: new Set(), open: new Set() }
  })
  const working = clients.map(client =>
    work(it, client, seededRandom(seed * 10 + client.name.charCodeAt(0)), () => isOver),
  )
  for (let round = 0; round < 8; round++) {
    await it.pass(200 + random.nextInt(2_500))
    const victim = random.nextInt(2) === 0 ? (it.leaderId() ?? ids[0]!) : ids[random.nextInt(ids.length)]!
    if (it.nodes.has(victim)) it.kill(victim)
    await it.pass(random.nextInt(2_500))
    if (!it.nodes.has(victim)) it.start(victim)
  }
  isOver = true
  await it.outcomeOf(Promise.all(working))
  await it.until(() => it.controllers().length === ids.length, 'everybody is open')
  for (const controller of it.controllers()) {
    const { byName } = (await it.outcomeOf(controller.currentImage())).topics
    for (const { acknowledged, deleted, open } of clients) {
      for (const [name, topicId] of acknowledged) {
        if (!open.has(name)) assert.equal(byName.get(name)?.id, topicId, `${name} is there`)
      }
      for (const name of deleted) if (!open.has(name)) assert(!byName.has(name), `${name} stays deleted`)
    }
  }
  assert(
    clients.every(({ acknowledged }) => acknowledged.size > 0),
    'there was something to lose',
  )
}

/** Creates and deletes topics through any node, each request with its session, again until it is answered. */
async function work(it: RealGroup, client: Client, random: Random, isOver: () => boolean): Promise<void> {
  for (let requestId = 1; !isOver(); requestId++) {
    const session = { clientId: client.name, requestId }
    const some = [...client.acknowledged.keys()]
    if (some.length > 3 && random.nextInt(3) === 0) {
      const name = some[random.nextInt(some.length)]!
      const request = { session, timeoutMs: 10_000, topics: [{ name, topicId: null }] }
      const answer = await ask(it, random, controller => controller.request(deleteTopics, request))
      client.acknowledged.delete(name)
      if (answer === null) client.open.add(name)
      else {
        assert.equal(answer.topics[0]!.errorCode, 0, 'what was acknowledged can be deleted, once')
        client.deleted.add(name)
      }
    } else {
      const name = `${client.name}-${requestId}`
      const request = { ...createRequest(topicRequest(name)), session, timeoutMs: 10_000 }
      const answer = await ask(it, random, controller => controller.request(createTopics, request))
      if (answer === null) client.open.add(name)
      else if (answer.topics[0]!.errorCode === 0) client.acknowledged.set(name, answer.topics[0]!.topicId!)
      else assert.equal(answer.topics[0]!.errorCode, errorCode('INVALID_REPLICATION_FACTOR'), 'no broker is there')
    }
  }
}

type Ask<T> = (controller: ReturnType<RealGroup['controllers']>[number]) => Promise<T>

/** `null` when its outcome stays open after many attempts: no other error is expected. */
async function ask<T>(it: RealGroup, random: Random, request: Ask<T>): Promise<T | null> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = [...it.nodes].filter(([, { controller }]) => controller !== null)
    if (open.length > 0) {
      const [id] = open[random.nextInt(open.length)]!
      const answer = await untilGone(it, id, request)
      if (answer !== null) return answer
    }
    await new Promise<void>(resolve => it.clock.setTimer(50, resolve))
  }
  return null
}

/** A process that is killed answers nothing, not even with an error: its client sees the connection go. */
function untilGone<T>(it: RealGroup, id: NodeId, request: Ask<T>): Promise<T | null> {
  const node = it.nodes.get(id)!
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (node.clock.isAlive) it.clock.setTimer(20, look)
      else resolve(null)
    }
    look()
    request(node.controller!).then(
      answer => node.clock.isAlive && resolve(answer),
      (error: unknown) => {
        if (!node.clock.isAlive) return
        if (error instanceof ApiError && error.isRetriable) resolve(null)
        else reject(error as Error)
      },
    )
  })
}
