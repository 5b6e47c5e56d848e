/** A node that is killed, in a process of its own: what was acknowledged is there when it is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '../../src/index.ts'
import { clientsOf, readTopic, startNodeProcess, temporaryDirectory } from './support.ts'

for (const policy of ['sync', 'os'] as const) {
  test(`SIGKILL in the middle of producing, flush policy ${policy}`, async t => {
    const dataDir = temporaryDirectory(t)
    const options = { dataDir, config: { 'log.flush.policy': policy } }
    const acknowledged = new Map<string, string>()
    for (let round = 0; round < 3; round++) {
      const node = await startNodeProcess(t, options)
      const { admin } = clientsOf(t, node)
      if (round === 0)
        await admin.createTopics({ topics: [{ name: 't', numPartitions: 3, configs: { 'segment.bytes': '65536' } }] })
      const producer = new Producer({ bootstrap: node.url, deliveryTimeoutMs: 1_000, requestTimeoutMs: 1_000 })
      let acks = 0
      let sent = 0
      let isDead = false
      let killed: Promise<void> | null = null
      const produce = async (): Promise<void> => {
        while (!isDead) {
          const value = `${round}:${sent++}`
          try {
            const [at] = await producer.send({ topic: 't', messages: [{ key: value, value: value + 'x'.repeat(500) }] })
            acknowledged.set(`${at!.partition}/${at!.offset}`, value)
            acks += 1
          } catch {
            return
          }
          if (acks >= 300 && killed === null) {
            isDead = true
            killed = node.kill('SIGKILL')
          }
        }
      }
      await Promise.all(Array.from({ length: 20 }, produce))
      await killed
      await producer.close()
    }
    const node = await startNodeProcess(t, options)
    const found = new Map((await readTopic(node.url, 't')).map(r => [`${r.partition}/${r.offset}`, r.key]))
    assert.ok(acknowledged.size >= 900)
    for (const [place, value] of acknowledged) assert.equal(found.get(place), value, place)
    await node.kill('SIGTERM')
    assert.equal(node.child.exitCode, 0)
  })
}
