/** `millrace dev --nodes 3` as a developer uses it: stopped, started again, its leader stopped alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin } from '../../src/index.ts'
import { AdminLoad } from './admin-load.ts'
import { until } from './by-hand.ts'
import { startDev } from './dev-cluster.ts'
import { afterTest, temporaryDirectory } from './support.ts'

const timeout = 120_000
const clients = 4

test('Ctrl-C leaves no process, and the next start is the same cluster', { timeout }, async t => {
  const dataDir = temporaryDirectory(t)
  const first = await startDev(t, 3, ['--data-dir', dataDir])
  const admin = new Admin({ bootstrap: first.urls })
  await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 3 }] })
  const topics = await admin.listTopics()
  const { clusterId } = await admin.describeQuorum()
  await admin.close()
  assert.equal(await first.stop(), 0)
  for (const { id, pid } of first.nodes) assert.ok(!isRunning(pid), `node ${id} is gone`)

  const second = await startDev(t, 3, ['--data-dir', dataDir])
  const again = new Admin({ bootstrap: second.urls })
  afterTest(t, () => again.close())
  assert.deepEqual(await again.listTopics(), topics)
  assert.equal((await again.describeQuorum()).clusterId, clusterId)
  assert.equal(await second.stop(), 0)
})

test('a leader that stops hands over, and no request fails', { timeout }, async t => {
  const cluster = await startDev(t, 3, ['--no-restart'])
  const admin = new Admin({ bootstrap: cluster.urls })
  afterTest(t, () => admin.close())
  const before = await admin.describeQuorum()
  const leader = cluster.nodes.find(({ id }) => id === before.leaderId)!
  // Its own clients would lose their broker; who asks the others shall notice nothing.
  const others = cluster.nodes.filter(node => node !== leader)
  const load = new AdminLoad(
    others.map(node => node.url),
    clients,
  )
  load.start()
  await until(() => load.counts.created > clients)
  process.kill(leader.pid, 'SIGTERM')
  await until(() => !isRunning(leader.pid))
  const { created } = load.counts
  await until(() => load.counts.created > created + clients)
  await load.stop()
  await load.check()
  const after = await admin.describeQuorum()
  assert.notEqual(after.leaderId, before.leaderId)
  assert.equal(after.leaderEpoch, before.leaderEpoch + 1, 'the one election that it asked for')
  assert.equal(load.counts.unknown, 0, 'no request failed')
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
