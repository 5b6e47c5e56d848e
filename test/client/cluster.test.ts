import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '../../src/client/cluster.ts'
import { resolveClient } from '../../src/client/options.ts'
import { startFake } from './harness.ts'

function view(nodes: number, bootstrap: string[] = ['ws://node-1:9292']) {
  const fake = startFake({ nodes })
  const settings = resolveClient({ bootstrap, ...fake.ports })
  return { ...fake, view: new Cluster(settings, fake.cluster.connect, { allowAutoTopicCreation: false }) }
}

test('cluster view: refreshes at the same time share one request', async () => {
  const { clock, cluster, view: v } = view(1)
  cluster.createTopic('a', 1)
  v.want('a')
  await clock.run(Promise.all([v.refresh(), v.refresh(), v.refresh()]))
  assert.equal(cluster.requests.length, 1)
  const first = v.refresh()
  cluster.createTopic('b', 1)
  v.want('b')
  await clock.run(Promise.all([first, v.refresh()]))
  assert.equal(cluster.requests.length, 3, 'a topic wanted while a request is out needs another')
  assert.equal(v.topic('b')!.partitions.length, 1)
  await clock.run(v.close())
})

test('cluster view: a node that lags cannot turn a leader epoch back', async () => {
  const { clock, cluster, view: v } = view(2)
  cluster.createTopic('t', 1)
  v.want('t')
  cluster.moveLeader('t', 0, 2)
  await clock.run(v.refresh())
  assert.deepEqual([v.leader('t', 0)!.leaderId, v.leader('t', 0)!.leaderEpoch], [2, 2])
  Object.assign(cluster.partition('t', 0), { leaderId: 1, leaderEpoch: 1 })
  await clock.run(v.refresh())
  assert.equal(v.leader('t', 0)!.leaderId, 2)
  cluster.createTopic('t', 1, 'a new topic of that name')
  await clock.run(v.refresh())
  assert.deepEqual([v.leader('t', 0)!.leaderId, v.leader('t', 0)!.leaderEpoch], [1, 1])
  await clock.run(v.close())
})

test('cluster view: any bootstrap node will do, and any node once it is known', async () => {
  const { clock, cluster, view: v } = view(3, ['ws://node-8:9292', 'ws://node-1:9292/'])
  await clock.run(v.refresh())
  cluster.downNodes.add(1)
  cluster.breakConnections(1)
  await clock.run(v.refresh())
  assert.ok([2, 3].includes(cluster.requests.at(-1)!.nodeId))
  await clock.run(v.close())
})

test('cluster view: a node that accepts and never answers is given up', async () => {
  const { clock, cluster, view: v } = view(1)
  cluster.isSilent = () => true
  await assert.rejects(clock.run(v.refresh()), { code: 'REQUEST_TIMED_OUT' })
  assert.equal(cluster.connections.size, 0)
  cluster.isSilent = () => false
  await clock.run(v.refresh())
  assert.equal(v.nodes.connectionsOpened, 2)
  await clock.run(v.close())
})

test('cluster view: a node that stands still is not waited for, and asked last from then on', async () => {
  const { clock, cluster, view: v } = view(3)
  await clock.run(v.refresh())
  cluster.frozenNodes.add(1)
  const startMs = clock.nowMs()
  await clock.run(v.refresh())
  assert.ok(clock.nowMs() - startMs < 600, `${clock.nowMs() - startMs} ms`)
  const againMs = clock.nowMs()
  await clock.run(v.refresh())
  assert.ok(clock.nowMs() - againMs < 20, `${clock.nowMs() - againMs} ms`)
  await clock.run(v.close())
})

test('cluster view: a topic is known to be missing once a node says so that is not behind', async () => {
  const { clock, cluster, view: v } = view(2)
  const startMs = clock.nowMs()
  await assert.rejects(clock.run(v.topicReady('t')), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  assert.ok(clock.nowMs() - startMs < 100, `${clock.nowMs() - startMs} ms`)

  const known = { errorCode: 0, name: 't', topicId: 'id', isInternal: false, partitions: [] }
  const unknown = { ...known, errorCode: 3, topicId: null }
  let isBehind = true
  const brokers = [1, 2].map(nodeId => ({ nodeId, url: cluster.urlOf(nodeId), rack: null }))
  cluster.handlers.set('Metadata', ({ readTimeoutMs }: { readTimeoutMs: number }) => {
    const topics = [isBehind && readTimeoutMs === 0 ? unknown : known]
    return { clusterId: 'fake', controllerId: 1, brokers, topics }
  })
  const ready = v.topicReady('t')
  await clock.advance(1_000)
  isBehind = false
  assert.equal((await clock.run(ready)).topicId, 'id')
  await clock.run(v.close())
})

test('cluster view: a broker that is back is tried at once, whatever came of earlier attempts', async () => {
  const { clock, cluster, view: v } = view(2)
  await clock.run(v.refresh())
  cluster.downNodes.add(2)
  for (let attempt = 0; attempt < 6; attempt++) await clock.run(v.nodes.connectTo(2).catch(() => {}))
  assert.ok(v.nodes.isUnreachable(2))
  cluster.fencedNodes.add(2)
  await clock.run(v.refresh())
  cluster.downNodes.delete(2)
  cluster.fencedNodes.delete(2)
  await clock.run(v.refresh())
  const startMs = clock.nowMs()
  await clock.run(v.nodes.connectTo(2))
  assert.ok(clock.nowMs() - startMs < 10, `${clock.nowMs() - startMs} ms`)
  await clock.run(v.close())
})

test('cluster view: a dead node is tried at growing intervals', async () => {
  const { clock, cluster, view: v } = view(1)
  let attempts = 0
  cluster.downNodes.add(1)
  const { connect } = cluster
  const counting = new Cluster(
    v.settings,
    (url, signal) => {
      attempts++
      return connect(url, signal)
    },
    { allowAutoTopicCreation: false },
  )
  const untilMs = clock.nowMs() + 10_000
  const loop = (async () => {
    while (clock.nowMs() < untilMs) await counting.refresh().catch(() => {})
  })()
  await clock.run(loop)
  assert.ok(attempts >= 8 && attempts <= 20, `${attempts} attempts in 10 s`)
  await clock.run(counting.close())
})
