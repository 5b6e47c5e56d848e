/**
 * The leader of a partition is killed, and frozen, under a producer and a consumer with default settings: both go on, and no send
 * is given up. How long they waited is printed, and not asserted: the machine may be busy.
 *
 * Medians of fifty rounds: `MILLRACE_TEST_DEPTH=10 node scripts/test.mjs replication-failover --test-timeout=7200000`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, Pulse } from '../support/chaos/pulse.ts'
import { createTopic, startNodes } from '../support/chaos/rig.ts'
import { runs } from '../support/depth.ts'
import { afterTest } from './support.ts'

const topic = 'pulse'

for (const [fault, usual] of [
  ['killed', 5],
  ['frozen', 2],
] as const) {
  test(`a leader ${fault} under load`, { timeout: 7_000_000 }, async t => {
    const cluster = await startNodes(t)
    await createTopic(cluster, { name: topic, partitions: 3 })
    const pulse = new Pulse(cluster.urls, topic, 0)
    afterTest(t, () => pulse.stop())
    pulse.start()
    const gaps = { producer: [] as number[], consumer: [] as number[] }
    for (let round = 0; round < runs(usual); round++) {
      await cluster.untilInSync(topic)
      await pulse.goesOn()
      const leader = cluster.node((await cluster.describe(topic)).partitions[0]!.leader)
      pulse.forget()
      const struckMs = performance.now()
      if (fault === 'killed') await leader.stop('SIGKILL')
      else leader.freeze()
      await pulse.goesOn()
      const { producerMs, consumerMs } = pulse.gapsSince(struckMs)
      gaps.producer.push(producerMs)
      gaps.consumer.push(consumerMs)
      if (fault === 'killed') leader.start()
      else leader.thaw()
      await leader.untilReady()
    }
    for (const [who, all] of Object.entries(gaps)) {
      const [middle, most] = [median(all), Math.max(...all)].map(Math.round)
      t.diagnostic(`${who} without an answer: median ${middle} ms, most ${most} ms, of ${all.length} rounds`)
    }
    assert.equal(pulse.failures, 0)
  })
}
