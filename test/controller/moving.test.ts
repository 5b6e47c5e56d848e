/** What the active controller does about who leads and who is in sync, by itself and when it is asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionImage } from '../../src/metadata/image.ts'
import {
  alterPartition,
  alterPartitionReassignments,
  createTopics,
  drainBroker,
  electLeaders,
} from '../../src/protocol/apis/index.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { createRequest, topicRequest } from '../metadata/history.ts'
import { type Harness, openHarness } from './harness.ts'

const [one, two] = [1, 2].map(toNodeId) as [NodeId, NodeId]
const timeoutMs = 1_000

const brokerOf = (it: Harness, id: NodeId) => it.controller.metadata.image().brokers.get(id)!
const partitionOf = (it: Harness): PartitionImage =>
  it.controller.metadata.image().topics.byName.get('t')!.partitions[0]!
const beat = (it: Harness, id: NodeId, wants: 'serve' | 'fence' = 'serve') =>
  it.outcome(it.controller.heartbeat(id, brokerOf(it, id).epoch, wants))

/** The leader says who is in sync. */
function alter(it: Harness, ...ids: NodeId[]) {
  const { leaderId, leaderEpoch, partitionEpoch } = partitionOf(it)
  const newIsr = ids.map(nodeId => ({ nodeId, brokerEpoch: brokerOf(it, nodeId).epoch }))
  const { id: topicId } = it.controller.metadata.image().topics.byName.get('t')!
  const partitions = [{ topicId, partition: 0, leaderEpoch, partitionEpoch, newIsr }]
  const request = { nodeId: leaderId!, brokerEpoch: brokerOf(it, leaderId!).epoch, partitions }
  return it.outcome(it.controller.request(alterPartition, request))
}

/** Topic `t` on brokers 1 (preferred) and 2. */
async function openMoving(leaderBalanceIntervalMs: number | null = null): Promise<Harness> {
  const it = await openHarness({ leaderBalanceIntervalMs })
  await it.register(2)
  const request = createRequest(topicRequest('t', { assignments: [[one, two]] }))
  await it.outcome(it.controller.request(createTopics, request))
  return it
}

test('a broker that says that it is unfit is relieved until it says otherwise, and is not silent meanwhile', async () => {
  const it = await openMoving()
  assert.deepEqual(await beat(it, one, 'fence'), { isFenced: true, mayStop: false })
  assert.deepEqual([partitionOf(it).leaderId, partitionOf(it).isr], [two, [two]])
  const refused = await alter(it, two, one)
  assert(typeof refused === 'object' && refused.partitions[0]!.errorCode !== 0)
  for (let beats = 0; beats < 6; beats++) {
    await it.advance(2_000)
    assert.deepEqual(await beat(it, one, 'fence'), { isFenced: true, mayStop: false })
    await beat(it, two)
  }
  assert.equal(brokerOf(it, one).isFenced, false)
  assert.deepEqual(await beat(it, one), { isFenced: false, mayStop: false })
  await alter(it, two, one)
  assert.deepEqual(partitionOf(it).isr, [one, two])
})

test('an answer of AlterPartition says what the metadata will say', async () => {
  const it = await openMoving()
  const answer = await alter(it, one)
  assert(typeof answer === 'object')
  const { leaderId, leaderEpoch, isr, partitionEpoch } = partitionOf(it)
  assert.deepEqual(
    { ...answer.partitions[0]! },
    {
      topicId: answer.partitions[0]!.topicId,
      partition: 0,
      errorCode: 0,
      errorMessage: null,
      leaderId,
      leaderEpoch,
      isr,
      partitionEpoch,
    },
  )
  assert.equal(partitionEpoch, 1)
})

test('preferred leaders lead again at the next look, once they are in sync', async () => {
  const it = await openMoving(60_000)
  await beat(it, one, 'fence')
  await beat(it, one)
  await alter(it, two, one)
  assert.equal(partitionOf(it).leaderId, two)
  for (let beats = 0; beats < 40 && partitionOf(it).leaderId === two; beats++) {
    await it.advance(2_000)
    await Promise.all([beat(it, one), beat(it, two)])
  }
  assert.equal(partitionOf(it).leaderId, one)
  assert.equal(it.clock.nowMs() >= 60_000, true, 'and not before')
})

test('only who leads looks, and a switched off balance never does', async () => {
  const it = await openMoving(null)
  it.quorum.lose(2)
  await it.settle()
  assert.equal(it.clock.nextEventMs(), null)
  const other = await openMoving(60_000)
  other.quorum.lose(2)
  await other.settle()
  assert.equal(other.clock.nextEventMs(), null)
})

test('elections, moves and draining are changes like others: decided once for each session', async () => {
  const it = await openMoving()
  const session = (requestId: number) => ({ clientId: 'c', requestId })
  const drain = { session: session(1), timeoutMs, nodeId: one, isDraining: true }
  assert.deepEqual(await it.outcome(it.controller.request(drainBroker, drain)), { leaderCount: 0 })
  assert.deepEqual([partitionOf(it).leaderId, partitionOf(it).isr], [two, [one, two]])
  await it.outcome(it.controller.request(drainBroker, { ...drain, session: session(2), isDraining: false }))
  const late = it.controller.request(drainBroker, drain)
  assert.equal(await it.outcome(late), 'INVALID_REQUEST', 'a duplicate that is late drains nobody')
  const unknown = it.controller.request(drainBroker, { ...drain, session: session(3), nodeId: 9 })
  assert.equal(await it.outcome(unknown), 'BROKER_ID_NOT_REGISTERED')
  const elect = { session: session(4), timeoutMs, electionType: 'preferred' as const, partitions: null }
  const elected = await it.outcome(it.controller.request(electLeaders, elect))
  assert(typeof elected === 'object' && elected.partitions.length === 1)
  assert.equal(partitionOf(it).leaderId, one)
  const move = { session: session(5), timeoutMs, partitions: [{ topic: 't', partition: 0, replicas: [2] }] }
  await it.outcome(it.controller.request(alterPartitionReassignments, move))
  assert.deepEqual([partitionOf(it).replicas, partitionOf(it).leaderId], [[two, one], one], 'until it lets go')
})
