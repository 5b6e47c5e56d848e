/** A consumer that says in which rack it is reads from the replica its leader names, as long as that does it good. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestOf } from '../../src/protocol/api.ts'
import type * as apis from '../../src/protocol/apis/index.ts'
import type { FakeCluster } from './fake-cluster.ts'
import { batchOf, startFake, take, text } from './harness.ts'

/** `t-0` is led by node 1, which names node 2. */
function reading(options: { rack?: string; metadataMaxAgeMs?: number } = { rack: 'here' }) {
  const fake = startFake({ nodes: 3 })
  const { cluster, clock } = fake
  cluster.createTopic('t', 1)
  cluster.preferredReplica = 2
  const c = fake.consumer({ topics: ['t'], from: 'start', ...options })
  let written = 0
  const readNext = async (): Promise<void> => {
    cluster.append('t', 0, batchOf([String(written)]))
    const [record] = await clock.run(take(c, 1))
    assert.deepEqual([record!.offset, text(record!.value)], [written, String(written)])
    written++
  }
  return { ...fake, c, readNext }
}

interface Seen {
  readonly nodeId: number
  readonly rack: string | null
}

/** The fetches since the last look. */
function fetches(cluster: FakeCluster): Seen[] {
  const seen = cluster.requests.splice(0).filter(({ api }) => api === 'Fetch')
  return seen.map(({ nodeId, body }) => ({ nodeId, rack: (body as RequestOf<typeof apis.fetch>).rack }))
}

const nodesOf = (seen: readonly Seen[]): number[] => [...new Set(seen.map(({ nodeId }) => nodeId))]

test('nearest replica: without a rack leaders are read', async () => {
  const { clock, cluster, c, readNext } = reading({})
  await readNext()
  const seen = fetches(cluster)
  assert.deepEqual(nodesOf(seen), [1])
  assert.ok(seen.every(({ rack }) => rack === null))
  await clock.run(c.close())
})

test('nearest replica: the one the leader names is read, and the leader asked again after a while', async () => {
  const { clock, cluster, c, readNext } = reading({ rack: 'here', metadataMaxAgeMs: 10_000 })
  await readNext()
  await readNext()
  const seen = fetches(cluster)
  assert.deepEqual(nodesOf(seen), [1, 2])
  assert.equal(seen.filter(({ nodeId }) => nodeId === 1).length, 1)
  assert.ok(seen.every(({ rack }) => rack === 'here'))
  cluster.preferredReplica = 3
  // One long poll more than the replica is read.
  await clock.advance(10_600)
  await readNext()
  assert.deepEqual(nodesOf(fetches(cluster)), [2, 1, 3])
  await clock.run(c.close())
})

test('nearest replica: one that fails is left for the leader, which is not asked for another at once', async () => {
  const failures: Array<(cluster: FakeCluster) => void> = [
    cluster => cluster.kill(2),
    cluster => void cluster.frozenNodes.add(2),
    cluster => {
      cluster.partitionFault = (_topic, _partition, _records, nodeId) => (nodeId === 2 ? 'KAFKA_STORAGE_ERROR' : null)
    },
    // Whether the position is in the log is for the leader to say.
    cluster => {
      cluster.partitionFault = (_topic, _partition, _records, nodeId) => (nodeId === 2 ? 'OFFSET_OUT_OF_RANGE' : null)
    },
  ]
  for (const fail of failures) {
    const { clock, cluster, c, readNext } = reading()
    await readNext()
    fail(cluster)
    const failedMs = clock.nowMs()
    await readNext()
    assert.ok(clock.nowMs() - failedMs < 2_000, `${clock.nowMs() - failedMs} ms`)
    fetches(cluster)
    await readNext()
    assert.deepEqual(fetches(cluster).at(-1), { nodeId: 1, rack: null })
    await clock.run(c.close())
  }
})

test('nearest replica: one that is behind is awaited for a moment, not for long', async () => {
  const { clock, cluster, c, readNext } = reading()
  await readNext()
  const partition = cluster.partition('t', 0)
  partition.followerEnd = 0
  clock.setTimer(600, () => {
    partition.followerEnd = null
  })
  fetches(cluster)
  await readNext()
  assert.deepEqual(nodesOf(fetches(cluster)), [2])
  partition.followerEnd = 0
  await readNext()
  assert.deepEqual(nodesOf(fetches(cluster)), [2, 1])
  await clock.run(c.close())
})

test('nearest replica: one that becomes the leader is read as such', async () => {
  const { clock, cluster, c, readNext } = reading()
  await readNext()
  cluster.moveLeader('t', 0, 2)
  cluster.preferredReplica = -1
  await readNext()
  fetches(cluster)
  await readNext()
  assert.deepEqual(nodesOf(fetches(cluster)), [2])
  await clock.run(c.close())
})
