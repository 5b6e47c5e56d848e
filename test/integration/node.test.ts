/** One node in this process, over real sockets, with the real client. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Consumer } from '../../src/index.ts'
import { afterTest, clientsOf, readTopic, startNode, temporaryDirectory } from './support.ts'

const hello = [
  { key: 'a', value: 'one' },
  { key: 'b', value: 'two', headers: { h: '1' } },
  { key: null, value: null },
]

for (const kind of ['on disk', 'in memory'] as const) {
  test(`produce and consume, ${kind}`, async t => {
    const where = kind === 'in memory' ? { inMemory: true } : { dataDir: temporaryDirectory(t) }
    const server = await startNode(t, where)
    const { producer } = clientsOf(t, server)
    const sent = await producer.send({ topic: 'greetings', messages: hello })
    assert.deepEqual(
      sent.map(({ partition, offset }) => [partition, offset]),
      [
        [0, 0],
        [0, 1],
        [0, 2],
      ],
    )
    const records = await readTopic(server.url, 'greetings')
    assert.deepEqual(
      records.map(({ key, value }) => ({ key, value })),
      hello.map(({ key, value }) => ({ key, value })),
    )
    assert.equal(server.dataDir === null, kind === 'in memory')
  })
}

test('a consumer that waits gets a record as soon as it is there', async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin, producer } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 't', numPartitions: 3 }] })
  const consumer = new Consumer({ bootstrap: server.url, topics: ['t'], from: 'start', fetchMaxWaitMs: 30_000 })
  const received: number[] = []
  const reading = (async () => {
    for await (const record of consumer) if (received.push(record.partition) === 3) break
  })()
  for (const partition of [2, 0, 1]) await producer.send({ topic: 't', messages: [{ value: 'v', partition }] })
  await reading
  await consumer.close()
  assert.deepEqual(received.sort(), [0, 1, 2])
})

describe('administration', () => {
  test('topics: create, list, describe, grow, configure, delete; refusals by their names', async t => {
    const server = await startNode(t, { inMemory: true })
    const { admin, producer } = clientsOf(t, server)
    await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 2, configs: { 'retention.ms': '60000' } }] })
    await assert.rejects(admin.createTopics({ topics: [{ name: 'orders' }] }), { code: 'TOPIC_ALREADY_EXISTS' })
    await assert.rejects(admin.createTopics({ topics: [{ name: 'no/slash' }] }), { code: 'INVALID_TOPIC_EXCEPTION' })
    await assert.rejects(admin.createTopics({ topics: [{ name: 'x', replicationFactor: 2 }] }), {
      code: 'INVALID_REPLICATION_FACTOR',
    })
    await assert.rejects(admin.createTopics({ topics: [{ name: 'x', configs: { nope: '1' } }] }), {
      code: 'INVALID_CONFIG',
    })
    await admin.createPartitions({ topics: [{ name: 'orders', count: 4 }] })
    await producer.send({ topic: 'orders', messages: [{ value: 'v', partition: 3 }] })
    const resource = { type: 'topic' as const, name: 'orders' }
    await admin.alterConfigs({
      resources: [{ ...resource, changes: [{ op: 'set', key: 'max.message.bytes', value: 300 }] }],
    })
    await assert.rejects(producer.send({ topic: 'orders', messages: [{ value: 'x'.repeat(400) }] }), {
      code: 'MESSAGE_TOO_LARGE',
    })
    const [described] = await admin.describeConfigs({
      resources: [{ ...resource, keys: ['retention.ms', 'segment.ms', 'max.message.bytes'] }],
    })
    assert.deepEqual(
      described!.configs.map(c => [c.key, c.value, c.source]),
      [
        ['max.message.bytes', '300', 'topic'],
        ['retention.ms', '60000', 'topic'],
        ['segment.ms', '604800000', 'default'],
      ],
    )
    const [topic] = await admin.describeTopics({ topics: ['orders'] })
    assert.deepEqual(
      topic!.partitions.map(p => [p.leader, p.highWatermark]),
      [
        [1, 0],
        [1, 0],
        [1, 0],
        [1, 1],
      ],
    )
    await admin.deleteTopics({ topics: ['orders'] })
    assert.deepEqual(await admin.listTopics(), [])
  })

  test('deleteRecords moves the start, and a consumer from the start begins there', async t => {
    const server = await startNode(t, { inMemory: true })
    const { admin, producer } = clientsOf(t, server)
    for (const value of ['a', 'b', 'c']) await producer.send({ topic: 't', messages: [{ value }] })
    await admin.deleteRecords({ partitions: [{ topic: 't', partition: 0, offset: 2 }] })
    assert.deepEqual(
      (await readTopic(server.url, 't')).map(r => [r.offset, r.value]),
      [[2, 'c']],
    )
  })

  test('a topic deleted and created anew is empty, also for a producer that knew the old one', async t => {
    const server = await startNode(t, { dataDir: temporaryDirectory(t) })
    const { admin, producer } = clientsOf(t, server)
    await producer.send({ topic: 't', messages: [{ value: 'old' }] })
    const [before] = await admin.listTopics()
    await admin.deleteTopics({ topics: ['t'] })
    await admin.createTopics({ topics: [{ name: 't' }] })
    const [after] = await admin.listTopics()
    assert.notEqual(after!.topicId, before!.topicId)
    assert.deepEqual(await readTopic(server.url, 't'), [])
    await producer.send({ topic: 't', messages: [{ value: 'new' }] })
    assert.deepEqual(
      (await readTopic(server.url, 't')).map(r => [r.offset, r.value]),
      [[0, 'new']],
    )
  })

  test('the cluster, its quorum and the settings of its broker', async t => {
    const server = await startNode(t, { inMemory: true, config: { 'node.id': 7, 'broker.rack': 'r1' } })
    const { admin } = clientsOf(t, server)
    const cluster = await admin.describeCluster()
    assert.equal(cluster.clusterId, server.clusterId)
    assert.deepEqual(
      cluster.brokers.map(b => [b.nodeId, b.url, b.rack, b.state]),
      [[7, server.url, 'r1', 'active']],
    )
    const quorum = await admin.describeQuorum()
    assert.equal(quorum.leaderId, 7)
    const [described] = await admin.describeConfigs({
      resources: [{ type: 'broker', name: '7', keys: ['node.id', 'log.flush.policy'] }],
    })
    assert.deepEqual(
      described!.configs.map(c => [c.key, c.value, c.source]),
      [
        ['log.flush.policy', 'sync', 'default'],
        ['node.id', '7', 'broker-static'],
      ],
    )
  })
})

test('a restart keeps topics, configs, records and offsets', async t => {
  const dataDir = temporaryDirectory(t)
  const first = await startNode(t, { dataDir })
  const before = clientsOf(t, first)
  await before.admin.createTopics({
    topics: [{ name: 't', numPartitions: 3, configs: { 'retention.ms': '777' + '000000' } }],
  })
  for (let i = 0; i < 30; i++) await before.producer.send({ topic: 't', messages: [{ key: `k${i}`, value: `v${i}` }] })
  await before.admin.deleteRecords({ partitions: [{ topic: 't', partition: 0, offset: 1 }] })
  const records = await readTopic(first.url, 't')
  const topics = await before.admin.listTopics()
  await first.close()
  for (let round = 0; round < 2; round++) {
    const again = await startNode(t, { dataDir })
    assert.equal(again.clusterId, first.clusterId)
    const { admin, producer } = clientsOf(t, again)
    assert.deepEqual(await admin.listTopics(), topics)
    assert.deepEqual((await admin.describeTopics({ topics: ['t'] }))[0]!.configs['retention.ms'], '777000000')
    assert.deepEqual(await readTopic(again.url, 't'), records)
    const [sent] = await producer.send({ topic: 't', messages: [{ value: 'later', partition: 1 }] })
    records.push({ partition: 1, offset: sent!.offset, key: null, value: 'later' })
    records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    await again.close()
  }
})

test('two nodes in one process know nothing of each other', async t => {
  const [one, two] = [await startNode(t, { inMemory: true }), await startNode(t, { dataDir: temporaryDirectory(t) })]
  assert.notEqual(one.clusterId, two.clusterId)
  await clientsOf(t, one).producer.send({ topic: 'only-here', messages: [{ value: 'v' }] })
  assert.deepEqual(await clientsOf(t, two).admin.listTopics(), [])
})

test('closing answers what waits, closes connections and frees the port; closing twice is closing once', async t => {
  const server = await startNode(t, { inMemory: true })
  const { producer } = clientsOf(t, server)
  await producer.send({ topic: 't', messages: [{ value: 'v' }] })
  const consumer = new Consumer({ bootstrap: server.url, topics: ['t'], from: 'start', fetchMaxWaitMs: 30_000 })
  afterTest(t, () => consumer.close())
  // Its next fetch is on the way before this record is handed out.
  await consumer[Symbol.asyncIterator]().next()
  const { port } = server
  await Promise.all([server.close(), server.close()])
  const again = await startNode(t, { inMemory: true, port })
  assert.equal(again.port, port)
})

describe('HTTP on the same port', () => {
  test('alive, ready, metrics', async t => {
    const server = await startNode(t, { inMemory: true })
    const { producer } = clientsOf(t, server)
    await producer.send({ topic: 't', messages: [{ value: 'v' }, { value: 'w' }] })
    const get = async (path: string) => {
      const response = await fetch(server.url.replace('ws://', 'http://') + path)
      return { status: response.status, body: await response.text() }
    }
    assert.equal((await get('/livez')).status, 200)
    assert.equal((await get('/readyz')).status, 200)
    const { status, body } = await get('/metrics')
    assert.equal(status, 200)
    assert.match(body, /^millrace_records_produced_total 2$/m)
    assert.match(body, /millrace_partition_high_watermark\{[^}]*topic="t"[^}]*\} 2/)
  })
})
