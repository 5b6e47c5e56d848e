/** Three nodes in processes of their own, three replicas: whoever is killed, what was acknowledged is there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin, Producer } from '../../src/index.ts'
import { type DevCluster, startDev } from './dev-cluster.ts'
import { afterTest, readTopic } from './support.ts'

const partitions = 6

async function leadersOf(cluster: DevCluster): Promise<Map<number, number[]>> {
  const admin = new Admin({ bootstrap: cluster.urls })
  const topics = await admin.describeTopics({ topics: ['t'] })
  await admin.close()
  const leaders = new Map<number, number[]>()
  for (const { partition, leader } of topics[0]!.partitions) {
    if (leader >= 0) leaders.set(leader, [...(leaders.get(leader) ?? []), partition])
  }
  return leaders
}

test('a leader killed in the middle of producing loses nothing that was acknowledged', {
  timeout: 300_000,
}, async t => {
  const cluster = await startDev(t, 3)
  const admin = new Admin({ bootstrap: cluster.urls })
  await admin.createTopics({ topics: [{ name: 't', numPartitions: partitions, replicationFactor: 3 }] })
  await admin.close()
  const acknowledged = new Map<string, string>()
  for (const round of [0, 1, 2]) {
    const producer = new Producer({ bootstrap: cluster.urls, acks: 'all', deliveryTimeoutMs: 60_000 })
    afterTest(t, () => producer.close())
    const [victimId] = [...(await leadersOf(cluster))].toSorted(([, a], [, b]) => b.length - a.length)[0]!
    const victim = cluster.nodes.find(node => node.id === victimId)!
    const { returns } = victim
    let acks = 0
    const produce = async (worker: number): Promise<void> => {
      for (let n = 0; n < 100; n++) {
        const value = `${round}/${worker}/${n}`
        const [at] = await producer.send({ topic: 't', messages: [{ key: value, value: value + 'x'.repeat(500) }] })
        const place = `${at!.partition}/${at!.offset}`
        assert.ok(!acknowledged.has(place), `the place ${place} was given twice`)
        acknowledged.set(place, value)
        if (++acks === 300) process.kill(victim.pid, 'SIGKILL')
      }
    }
    await Promise.all(Array.from({ length: 20 }, (_, worker) => produce(worker)))
    await cluster.untilBack(victim, returns)
  }
  const found = new Map((await readTopic(cluster.urls[0]!, 't')).map(r => [`${r.partition}/${r.offset}`, r.key]))
  assert.equal(acknowledged.size, 3 * 20 * 100)
  for (const [place, value] of acknowledged) assert.equal(found.get(place), value, place)
})
