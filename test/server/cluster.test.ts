/** Three whole nodes in this process, over real sockets. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { Admin, Consumer, Producer } from '../../src/index.ts'
import { type Cluster, type ClusterOptions, type Server, startCluster, startServer } from '../../src/server/index.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { afterTest, temporaryDirectory } from '../integration/support.ts'

/** Quick to notice a leader that is gone; still long against a pause of a busy machine. */
const quick = {
  'controller.quorum.election.timeout.ms': 600,
  'controller.quorum.heartbeat.interval.ms': 100,
  'broker.session.timeout.ms': 3_000,
  'broker.heartbeat.interval.ms': 500,
}

async function start(t: TestContext, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster({ logger: silentLogger, ...options, config: { ...quick, ...options.config } })
  afterTest(t, () => cluster.close())
  return cluster
}

function adminOf(t: TestContext, ...nodes: readonly Server[]): Admin {
  const admin = new Admin({ bootstrap: nodes.map(node => node.url) })
  afterTest(t, () => admin.close())
  return admin
}

describe('three nodes', () => {
  test('topics made through any node are seen through every one', async t => {
    const cluster = await start(t)
    assert.equal(new Set(cluster.nodes.map(node => node.clusterId)).size, 1)
    for (const node of cluster.nodes)
      await adminOf(t, node).createTopics({ topics: [{ name: `of-node-${node.nodeId}` }] })
    for (const node of cluster.nodes) {
      const names = (await adminOf(t, node).listTopics()).map(({ name }) => name).sort()
      assert.deepEqual(names, ['of-node-1', 'of-node-2', 'of-node-3'])
    }
    const quorum = await adminOf(t, cluster.nodes[1]!).describeQuorum()
    assert.deepEqual(quorum.voters.map(({ id }) => id).sort(), [1, 2, 3])
  })

  test('records go to and come from whichever node leads their partition', async t => {
    const cluster = await start(t)
    const [one] = cluster.nodes
    await adminOf(t, one!).createTopics({ topics: [{ name: 'spread', numPartitions: 6 }] })
    const described = await adminOf(t, one!).describeTopics({ topics: ['spread'] })
    const leaders = new Set(described[0]!.partitions.map(({ leader }) => leader))
    assert.deepEqual([...leaders].sort(), [1, 2, 3])
    const producer = new Producer({ bootstrap: [one!.url] })
    const messages = Array.from({ length: 60 }, (_, i) => ({ value: `value-${i}` }))
    for (let partition = 0; partition < 6; partition++) {
      const own = messages.slice(10 * partition, 10 * partition + 10).map(message => ({ ...message, partition }))
      await producer.send({ topic: 'spread', messages: own })
    }
    await producer.close()
    const consumer = new Consumer({ bootstrap: [cluster.nodes[2]!.url], topics: ['spread'], from: 'start' })
    const values = new Set<string>()
    for await (const record of consumer) {
      values.add(new TextDecoder().decode(record.value as Uint8Array))
      if (values.size === messages.length) break
    }
    await consumer.close()
  })

  test('on disk, a cluster that was stopped is the same cluster, and forgets nothing', async t => {
    const dataDir = temporaryDirectory(t)
    const first = await start(t, { dataDir })
    await adminOf(t, ...first.nodes).createTopics({ topics: [{ name: 'kept' }] })
    await first.close()
    const second = await start(t, { dataDir })
    assert.equal(second.clusterId, first.clusterId)
    const names = (await adminOf(t, second.nodes[2]!).listTopics()).map(({ name }) => name)
    assert.deepEqual(names, ['kept'])
  })

  test('the leader of the quorum closes: the others go on', async t => {
    const cluster = await start(t)
    const { leaderId } = await adminOf(t, ...cluster.nodes).describeQuorum()
    const leader = cluster.nodes.find(node => node.nodeId === leaderId)!
    const others = cluster.nodes.filter(node => node !== leader)
    const before = adminOf(t, ...cluster.nodes)
    await before.createTopics({ topics: [{ name: 'before' }] })
    await leader.close()
    const admin = adminOf(t, ...others)
    await admin.createTopics({ topics: [{ name: 'after' }] })
    for (const node of others) {
      const names = (await adminOf(t, node).listTopics()).map(({ name }) => name).sort()
      assert.deepEqual(names, ['after', 'before'])
    }
    const quorum = await admin.describeQuorum()
    assert.notEqual(quorum.leaderId, leaderId)
  })
})

describe('roles', () => {
  test('a broker without a vote and a controller without partitions join a cluster of theirs', async t => {
    const { one, two } = await pair(t)
    const quorum = await adminOf(t, two).describeQuorum()
    assert.deepEqual(
      quorum.voters.map(({ id }) => id),
      [1],
    )
    const admin = adminOf(t, two)
    await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 3 }] })
    const [described] = await admin.describeTopics({ topics: ['orders'] })
    assert.deepEqual(
      described!.partitions.map(({ leader }) => leader),
      [2, 2, 2],
    )
    // The controller answers what is asked about the cluster.
    const asked = adminOf(t, one)
    assert.deepEqual(
      (await asked.listTopics()).map(({ name }) => name),
      ['orders'],
    )
    assert.deepEqual(
      (await asked.describeCluster()).brokers.map(({ nodeId }) => nodeId),
      [2],
    )
    const ready = await fetch(`${one.url.replace('ws', 'http')}/readyz`)
    assert.equal(ready.status, 200)
  })
})

async function soleController(t: TestContext): Promise<{ one: Server; voters: string }> {
  const peerPort = await freePort()
  const voters = `1@127.0.0.1:${peerPort}`
  const config = { ...quick, 'process.roles': 'controller' }
  const one = await startServer({ inMemory: true, nodeId: 1, port: 0, peerPort, voters, logger: silentLogger, config })
  afterTest(t, () => one.close())
  return { one, voters }
}

async function pair(t: TestContext): Promise<{ one: Server; two: Server }> {
  const { one, voters } = await soleController(t)
  const config = { ...quick, 'process.roles': 'broker' }
  const two = await startServer({
    inMemory: true,
    nodeId: 2,
    port: 0,
    peerPort: 0,
    voters,
    logger: silentLogger,
    config,
  })
  afterTest(t, () => two.close())
  return { one, two }
}

describe('a node whose quorum is not there', () => {
  test('lives, says whom it waits for, and stops when told', async () => {
    const [port, own, missing] = await Promise.all([freePort(), freePort(), freePort()])
    const stop = new AbortController()
    const starting = startServer({
      inMemory: true,
      nodeId: 1,
      port,
      peerPort: own,
      voters: `1@127.0.0.1:${own},2@127.0.0.1:${missing}`,
      logger: silentLogger,
      signal: stop.signal,
    })
    const url = `http://127.0.0.1:${port}`
    const reasons = await untilSome(async () => {
      const answer = await fetch(`${url}/readyz`).catch(() => null)
      if (answer === null) return null
      assert.equal(answer.status, 503)
      const said = ((await answer.json()) as { reasons: string[] }).reasons
      return said.some(reason => reason.includes('ECONNREFUSED')) ? said : null
    })
    assert.equal(reasons[0], 'This node knows of no leader of the controller quorum yet.')
    assert.match(reasons[1]!, new RegExp(`^Node 2 at ws://127.0.0.1:${missing} is not reached: `))
    assert.equal((await fetch(`${url}/livez`)).status, 200)
    stop.abort()
    await assert.rejects(starting, { name: 'AbortError' })
    await assert.rejects(fetch(`${url}/livez`))
  })
})

test('a node that brings a cluster of its own along does not follow another', async t => {
  const dataDir = temporaryDirectory(t)
  const alone = await startServer({ nodeId: 2, dataDir, port: 0, logger: silentLogger })
  await alone.close()
  const { voters } = await soleController(t)
  const own = { nodeId: 2, dataDir, port: 0, peerPort: 0, voters, logger: silentLogger }
  await assert.rejects(startServer({ ...own, config: { 'process.roles': 'broker' } }), error => {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.key, 'controller.quorum.voters')
    assert.ok(error.message.includes(alone.clusterId))
    return true
  })
  // Nothing was left open, and nothing was changed.
  const again = await startServer({ nodeId: 2, dataDir, port: 0, logger: silentLogger })
  assert.equal(again.clusterId, alone.clusterId)
  await again.close()
})

test('a node founded alone and joined by another finds it again by its data; without a listener it says what is missing', async t => {
  const [ownPort, otherPort] = [await freePort(), await freePort()]
  const common = { port: 0, logger: silentLogger, config: quick }
  const alone = { ...common, nodeId: 1, dataDir: temporaryDirectory(t) }
  const joining = { ...common, nodeId: 2, dataDir: temporaryDirectory(t), peerPort: otherPort }
  const one = await startServer({ ...alone, peerPort: ownPort })
  const two = await startServer({ ...joining, voters: `1@127.0.0.1:${ownPort}` })
  const admin = adminOf(t, one)
  await admin.addVoter({ id: 2 })
  await admin.addVoter({ id: 2 })
  await Promise.all([one.close(), two.close()])
  await assert.rejects(startServer(alone), error => {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.key, 'peer.listener')
    assert.ok(error.message.includes(`2 at ws://127.0.0.1:${otherPort}`), error.message)
    return true
  })
  // Neither is told where the other is.
  const again = await Promise.all([startServer({ ...alone, peerPort: ownPort }), startServer(joining)])
  for (const server of again) afterTest(t, () => server.close())
  const { voters } = await adminOf(t, ...again).describeQuorum()
  assert.deepEqual(voters.map(({ id }) => id).sort(), [1, 2])
})

/** Asks until there is an answer. */
async function untilSome<T>(ask: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== null) return answer
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
