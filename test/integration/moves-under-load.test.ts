/** Leaders that are moved away under load: what they had taken they answer, so that no producer sends it again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionDescription } from '../../src/index.ts'
import type { ChaosCluster } from '../support/chaos/cluster.ts'
import { assertKept, assertWrittenOnce, createTopic, ids, startLoad, startNodes } from '../support/chaos/rig.ts'
import { runs } from '../support/depth.ts'
import { until } from './by-hand.ts'

const topic = 'orders'
const partitions = 6

test('every leader is moved away and its replica put back under load: no send fails, none is written twice', {
  timeout: 3_000_000,
}, async t => {
  const cluster = await startNodes(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = startLoad(t, { urls: cluster.urls, topic, partitions, producers: 2, consumers: 1, seed: 1 })
  await load.goesOn()
  for (let round = 0; round < 2 * runs(1); round++) {
    const led = await partitionsOf(cluster)
    await move(
      cluster,
      led.map(({ leader }) => ids.filter(id => id !== leader)),
    )
    for (const [at, { leader }] of (await partitionsOf(cluster)).entries()) assert.notEqual(leader, led[at]!.leader)
    await load.goesOn()
    await move(
      cluster,
      led.map(({ replicas }) => replicas),
    )
    await cluster.untilInSync(topic)
    await load.goesOn()
  }
  await load.finish()
  assertKept(t, load)
  assertWrittenOnce(load)
})

async function partitionsOf(cluster: ChaosCluster): Promise<readonly PartitionDescription[]> {
  return (await cluster.describe(topic)).partitions
}

/** Resolves when each partition has the replicas that `targets` names for it, and no others. */
async function move(cluster: ChaosCluster, targets: readonly (readonly number[])[]): Promise<void> {
  const moves = targets.map((replicas, partition) => ({ topic, partition, replicas: [...replicas] }))
  await cluster.ask(admin => admin.alterPartitionReassignments({ partitions: moves }))
  await until(async () =>
    (await partitionsOf(cluster)).every(
      ({ replicas, addingReplicas, removingReplicas }, at) =>
        addingReplicas.length + removingReplicas.length === 0 && replicas.length === targets[at]!.length,
    ),
  )
}
