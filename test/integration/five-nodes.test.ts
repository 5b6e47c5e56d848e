/** Five nodes and any two of them gone: the three that are left elect, acknowledge and remember; two alone refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin } from '../../src/index.ts'
import { runs } from '../support/depth.ts'
import { type DevNode, startDev } from './dev-cluster.ts'

const pairs = [
  [1, 2],
  [1, 3],
  [1, 4],
  [1, 5],
  [2, 3],
  [2, 4],
  [2, 5],
  [3, 4],
  [3, 5],
  [4, 5],
] as const

test('five nodes survive any two', { timeout: 1_200_000 }, async t => {
  const cluster = await startDev(t, 5)
  const created: string[] = []
  // Every pair in a deep run; a few of them, beginning anywhere, in a usual one.
  const first = Math.floor(Math.random() * pairs.length)
  for (let i = 0; i < Math.min(pairs.length, runs(3)); i++) {
    const pair = pairs[(first + i) % pairs.length]!
    const victims = cluster.nodes.filter(node => (pair as readonly number[]).includes(node.id))
    const others = cluster.nodes.filter(node => !victims.includes(node))
    const returns = victims.map(node => node.returns)
    for (const { pid } of victims) process.kill(pid, 'SIGKILL')
    const admin = new Admin({ bootstrap: others.map(node => node.url), requestTimeoutMs: 60_000 })
    const name = `without-${pair.join('-and-')}`
    await admin.createTopics({ topics: [{ name, numPartitions: 1 }] })
    created.push(name)
    assert.deepEqual(await namesSeenBy(others[0]!), created.toSorted(), `without nodes ${pair.join(' and ')}`)
    await admin.close()
    await Promise.all(victims.map((node, at) => cluster.untilBack(node, returns[at]!)))
  }
  for (const node of cluster.nodes) assert.deepEqual(await namesSeenBy(node), created.toSorted())
})

test('two of five refuse instead of guessing', { timeout: 300_000 }, async t => {
  const cluster = await startDev(t, 5, ['--no-restart'])
  const [a, b, ...gone] = cluster.nodes
  for (const { pid } of gone) process.kill(pid, 'SIGKILL')
  for (const node of [a!, b!]) {
    const admin = new Admin({ bootstrap: node.url, requestTimeoutMs: 1_500 })
    // The leader needs an election timeout to notice that it is alone; until then it must time out, not answer.
    await assert.rejects(admin.createTopics({ topics: [{ name: 'x', numPartitions: 1 }] }), isRefusal)
    await assert.rejects(admin.describeQuorum(), isRefusal)
    await assert.rejects(admin.listTopics(), isRefusal)
    await admin.close()
  }
})

function isRefusal(error: unknown): boolean {
  return ['NOT_CONTROLLER', 'REQUEST_TIMED_OUT', 'NETWORK_EXCEPTION'].includes((error as { code: string }).code)
}

async function namesSeenBy(node: DevNode): Promise<string[]> {
  const admin = new Admin({ bootstrap: node.url, requestTimeoutMs: 60_000 })
  for (;;) {
    try {
      const topics = await admin.listTopics()
      await admin.close()
      return topics.map(topic => topic.name)
    } catch (error) {
      if (!isRefusal(error)) throw error
      await pause(50)
    }
  }
}
