/** The section "Rolling restart" of docs/OPERATIONS.md: each node in turn, under producers that retry; no send fails or is written twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertKept, assertWrittenOnce, createTopic, startLoad, startNodes } from '../support/chaos/rig.ts'
import { runs } from '../support/depth.ts'

const topic = 'orders'
const partitions = 6

test('three nodes are stopped and started again in turn under load: no produce fails', {
  timeout: 3_000_000,
}, async t => {
  const cluster = await startNodes(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = startLoad(t, { urls: cluster.urls, topic, partitions, producers: 2, consumers: 2, seed: 1 })
  await load.goesOn()
  for (let round = 0; round < runs(1); round++) {
    for (const node of cluster.nodes) {
      await node.stop('SIGTERM')
      assert.equal(await node.ended(), 0, node.said)
      await load.goesOn()
      node.start()
      await node.untilReady()
      // What the page tells the operator to wait for.
      await cluster.untilInSync(topic)
      await load.goesOn()
    }
  }
  await load.finish()
  assertKept(t, load)
  assertWrittenOnce(t, load)
})
