/** Leaders that are moved away under load: what they had taken they answer, so that no producer sends it again. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PartitionDescription } from '../../src/index.ts'
import type { ChaosCluster } from '../support/chaos/cluster.ts'
import type { RecordLoad } from '../support/chaos/record-load.ts'
import { assertKept, assertWrittenOnce, createTopic, ids, startLoad, startNodes } from '../support/chaos/rig.ts'
import { runs } from '../support/depth.ts'
import { until } from './by-hand.ts'

const topic = 'orders'
const partitions = 6

const timeout = 3_000_000

test('every leader is moved away and its replica put back under load: no send fails, none is written twice', {
  timeout,
}, async t => {
  const cluster = await startNodes(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = await startOwnLoad(t, cluster.urls, 1)
  for (let round = 0; round < 2 * runs(1); round++) {
    const led = await partitionsOf(cluster)
    await move(cluster, awayFromLeaders(led))
    for (const [at, { leader }] of (await partitionsOf(cluster)).entries()) assert.notEqual(leader, led[at]!.leader)
    await load.goesOn()
    await move(
      cluster,
      led.map(({ replicas }) => replicas),
    )
    await cluster.untilInSync(topic)
    await load.goesOn()
  }
  await assertAllOnce(t, load)
})

test('a broker is drained at the moment that moves take away what it leads: none is written twice', {
  timeout,
}, async t => {
  const cluster = await startNodes(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = await startOwnLoad(t, cluster.urls, 2)
  for (const drained of ids.flatMap(id => Array<number>(runs(1)).fill(id))) {
    const led = await partitionsOf(cluster)
    await Promise.all([
      move(cluster, awayFromLeaders(led)),
      cluster.ask(admin => admin.drainBroker({ nodeId: drained })),
    ])
    await load.goesOn()
    await cluster.ask(admin => admin.drainBroker({ nodeId: drained, isDraining: false }))
    await putBack(cluster, led)
    await load.goesOn()
  }
  await assertAllOnce(t, load)
})

test('preferred leaders are elected at the moment that moves take away those that lead: none is written twice', {
  timeout,
}, async t => {
  const cluster = await startNodes(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = await startOwnLoad(t, cluster.urls, 3)
  for (let round = 0; round < 2 * runs(1); round++) {
    const led = await partitionsOf(cluster)
    await Promise.all([move(cluster, awayFromLeaders(led)), cluster.ask(admin => admin.electLeaders())])
    await load.goesOn()
    await putBack(cluster, led)
    await load.goesOn()
  }
  await assertAllOnce(t, load)
})

test('moves whose leader is one of those that were added are given up, or replaced, under load: none is written twice', {
  timeout,
}, async t => {
  const cluster = await startNodes(t, {}, [1, 2, 3, 4])
  const urls = ids.map(id => cluster.node(id).url)
  // As long as it is away no move that adds it is ready.
  await cluster.node(4).stop('SIGTERM')
  const before = [1, 2]
  for (const [seed, target] of [null, before].entries()) {
    const own = `${topic}-${seed}`
    const assignments = Array.from({ length: partitions }, () => before)
    await cluster.ask(admin => admin.createTopics({ topics: [{ name: own, assignments }] }))
    await beginMove(
      cluster,
      assignments.map(() => [3, 4]),
      own,
    )
    await until(async () => (await partitionsOf(cluster, own)).every(({ isr }) => isr.includes(3)))
    await until(async () => {
      await cluster.ask(admin => admin.electLeaders())
      return (await partitionsOf(cluster, own)).every(({ leader }) => leader === 3)
    })
    const load = await startOwnLoad(t, urls, seed, own)
    await beginMove(
      cluster,
      assignments.map(() => target),
      own,
    )
    await untilMoved(cluster, before.length, own)
    await load.goesOn()
    await assertAllOnce(t, load)
  }
})

async function startOwnLoad(t: TestContext, urls: readonly string[], seed: number, of = topic): Promise<RecordLoad> {
  const load = startLoad(t, { urls, topic: of, partitions, producers: 2, consumers: 1, seed })
  await load.goesOn()
  return load
}

async function assertAllOnce(t: TestContext, load: RecordLoad): Promise<void> {
  await load.finish()
  assertKept(t, load)
  assertWrittenOnce(t, load)
}

/** For each partition everybody but its leader. */
function awayFromLeaders(led: readonly PartitionDescription[]): number[][] {
  return led.map(({ leader }) => ids.filter(id => id !== leader))
}

async function partitionsOf(cluster: ChaosCluster, of = topic): Promise<readonly PartitionDescription[]> {
  return (await cluster.describe(of)).partitions
}

/** What each partition shall have; `null`: what it had before the move under way. */
async function beginMove(
  cluster: ChaosCluster,
  targets: readonly (readonly number[] | null)[],
  of = topic,
): Promise<void> {
  const moves = targets.map((replicas, partition) => ({ topic: of, partition, replicas }))
  await cluster.ask(admin => admin.alterPartitionReassignments({ partitions: moves }))
}

/** Resolves when each partition has the replicas that `targets` names for it, and no others: all of them have as many. */
async function move(cluster: ChaosCluster, targets: readonly (readonly number[])[]): Promise<void> {
  await beginMove(cluster, targets)
  await untilMoved(cluster, targets[0]!.length)
}

async function untilMoved(cluster: ChaosCluster, replicationFactor: number, of = topic): Promise<void> {
  await until(async () =>
    (await partitionsOf(cluster, of)).every(
      ({ replicas, addingReplicas, removingReplicas }) =>
        addingReplicas.length + removingReplicas.length === 0 && replicas.length === replicationFactor,
    ),
  )
}

/** Replicas, and leaders, as they were. */
async function putBack(cluster: ChaosCluster, before: readonly PartitionDescription[]): Promise<void> {
  await move(
    cluster,
    before.map(({ replicas }) => replicas),
  )
  await cluster.untilInSync(topic)
  await cluster.ask(admin => admin.electLeaders())
}
