/** How fast a replica that is not in sync may catch up, and what that costs the others: in virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toNodeId } from '../../src/util/numbers.ts'
import { secondMs } from '../../src/util/units.ts'
import { isSettled } from './harness.ts'
import { Replicas } from './replicas.ts'

const valueBytes = 5_000
const batchBytesMax = valueBytes + 100
const count = 60
const all = [1, 2, 3].map(toNodeId)

/** Node 3 lacks `count` batches of partition 0 and nothing of partition 1; `rate` is asked for whenever bytes are due. */
async function openBehind(rate: () => number, tailCacheBytes?: number): Promise<Replicas> {
  const cluster = await Replicas.open({
    partitions: 2,
    replication: { lagMsMax: secondMs, catchUpBytesPerSecond: rate },
    ...(tailCacheBytes === undefined ? {} : { tailCacheBytes }),
  })
  cluster.node(3).cutOff()
  const large = 'x'.repeat(valueBytes)
  await cluster.until(cluster.node(1).produce(new Array(count).fill(large), { acks: 1 }))
  await cluster.run(3 * secondMs)
  assert.deepEqual(cluster.partitionImage(0).isr, all.slice(0, 2))
  return cluster
}

const hasCaughtUp = (cluster: Replicas): boolean => cluster.partitionImage(0).isr.includes(toNodeId(3))

for (const [from, tailCacheBytes] of [
  ['memory', undefined],
  ['files', 1 << 14],
] as const) {
  test(`a replica catches up from ${from} at the rate that is set, while what is in sync goes on at once`, async () => {
    const rate = 50_000
    const cluster = await openBehind(() => rate, tailCacheBytes)
    const [leader, behind] = [cluster.node(1), cluster.node(3)]
    behind.listen()
    const startMs = cluster.clock.nowMs()
    const before = behind.broker.stats.appendBytesIn
    let tailBytes = 0
    let rounds = 0
    for (; !hasCaughtUp(cluster); rounds++) {
      assert.ok(rounds < 1_000, 'it never catches up')
      await cluster.run(100)
      const seconds = (cluster.clock.nowMs() - startMs) / secondMs
      const bytes = behind.broker.stats.appendBytesIn - before - tailBytes
      // A second's worth had gathered, and a second's worth may have been begun with.
      assert.ok(bytes <= rate * (seconds + 2) + batchBytesMax, `${bytes} bytes after ${seconds} s`)
      // Not connected yet.
      if (bytes === 0) continue
      const tailBefore = leader.broker.stats.bytesIn
      const sent = leader.produce([`tail ${rounds}`], { partition: 1 })
      await cluster.run(20)
      assert.ok(await isSettled(sent), `the tail waits ${seconds} s after the beginning`)
      assert.deepEqual(await sent, [null])
      tailBytes += leader.broker.stats.bytesIn - tailBefore
    }
    const seconds = (cluster.clock.nowMs() - startMs) / secondMs
    const expected = (count * valueBytes) / rate
    assert.ok(seconds < expected + 2, `${seconds} s, expected about ${expected}`)
    await cluster.assertAlike()
    await cluster.stop()
  })
}

test('a rate that is raised counts at once, however long the lower one would have asked to wait', async () => {
  let rate = 10
  const cluster = await openBehind(() => rate)
  cluster.node(3).listen()
  await cluster.run(10 * secondMs)
  assert.ok(!hasCaughtUp(cluster))
  assert.ok(cluster.node(3).partition().log.logEndOffset <= 1)
  rate = -1
  await cluster.run(2 * secondMs)
  assert.ok(hasCaughtUp(cluster))
  await cluster.stop()
})
