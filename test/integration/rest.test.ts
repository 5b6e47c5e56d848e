/** REST against real nodes: what is posted is what clients read and the other way round, through any node of a cluster. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin, Consumer, Producer } from '../../src/index.ts'
import { startCluster } from '../../src/server/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { until } from './by-hand.ts'
import { afterTest, clientsOf, readTopic, startNode } from './support.ts'

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function ask(url: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${url.replace('ws:', 'http:')}/v1/topics${path}`, init)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

function post(url: string, path: string, body: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' }
  return ask(url, path, { method: 'POST', body: JSON.stringify(body), headers })
}

test('one node: REST and clients read what the other wrote, byte for byte, and keys share their partitions', async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin, producer } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 'orders', numPartitions: 4 }] })
  const value = '{"n": 12345678901234567890, "a": [ ]}'
  const headers = { 'content-type': 'application/json' }
  const posted = await ask(server.url, '/orders/records', {
    method: 'POST',
    headers,
    body: `{"key":"k","value":${value},"headers":{"h":"1"},"timestamp":1700000000000}`,
  })
  assert.equal(posted.status, 200)
  const [sent] = await producer.send({ topic: 'orders', messages: [{ key: 'k', value: 'from a client' }] })
  assert.deepEqual([sent!.partition, sent!.offset], [posted.body.partition, 1], 'the same key, the same partition')
  await using consumer = new Consumer({ bootstrap: server.url, topics: ['orders'], from: 'start', until: 'end' })
  const records = []
  for await (const record of consumer) records.push(record)
  const text = (bytes: Uint8Array | null | undefined) => bytes && Buffer.from(bytes).toString()
  assert.deepEqual(
    records.map(record => text(record.value)),
    [value, 'from a client'],
  )
  assert.equal(records[0]!.timestamp, 1_700_000_000_000)
  const read = await ask(server.url, `/orders/partitions/${sent!.partition}/records?offset=0`)
  assert.equal(read.body.nextOffset, 2)
  const [first, second] = read.body.records as { key: string; value: unknown; headers: unknown }[]
  assert.deepEqual([first!.key, first!.headers], ['k', [{ name: 'h', value: '1' }]])
  assert.equal(second!.value, 'from a client')
})

test('one node: the errors are the broker’s, and nothing is created by a mistyped path', async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 'small', configs: { 'max.message.bytes': '1000' } }] })
  const rows: ReadonlyArray<[() => Promise<Answer>, number, string]> = [
    [() => post(server.url, '/smal/records', { value: 1 }), 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [() => post(server.url, '/a%20b/records', { value: 1 }), 400, 'INVALID_TOPIC_EXCEPTION'],
    [() => post(server.url, '/small/partitions/1/records', { value: 1 }), 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [() => post(server.url, '/small/records', { value: 1, partition: 9 }), 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [() => post(server.url, '/small/records', { value: 'x'.repeat(1_000) }), 413, 'MESSAGE_TOO_LARGE'],
    [() => ask(server.url, '/small/partitions/0/records?offset=7'), 416, 'OFFSET_OUT_OF_RANGE'],
  ]
  for (const [request, status, error] of rows) {
    const { status: got, body } = await request()
    assert.deepEqual([got, body.error], [status, error])
  }
  assert.deepEqual(
    (await admin.listTopics()).map(({ name }) => name),
    ['small'],
  )
})

test('one node: a long poll hears of a record that a client produces', async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin, producer } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 't' }] })
  const polled = ask(server.url, '/t/partitions/0/records?offset=end&maxWaitMs=30000')
  const metrics = async () => (await fetch(`${server.url.replace('ws:', 'http:')}/metrics`)).text()
  await until(async () => /millrace_fetches_delayed_total [1-9]/.test(await metrics()))
  await producer.send({ topic: 't', messages: [{ value: 'news' }] })
  assert.deepEqual((await polled).body.records, [
    { ...((await polled).body.records as object[])[0], offset: 0, key: null, value: 'news' },
  ])
})

test('a cluster: every node takes and gives every record, whoever leads, also while leaders move', async t => {
  const cluster = await startCluster({ logger: silentLogger })
  afterTest(t, () => cluster.close())
  const { bootstrap, nodes } = cluster
  const admin = new Admin({ bootstrap })
  afterTest(t, () => admin.close())
  await admin.createTopics({ topics: [{ name: 't', numPartitions: 3, replicationFactor: 3 }] })
  // Any node, at once: one that has not heard of the topic asks.
  const places = nodes.flatMap(({ url }) => [0, 1, 2].map(partition => ({ url, partition })))
  for (const { url, partition } of places) {
    const { status, body } = await post(url, `/t/partitions/${partition}/records`, { value: `${url} ${partition}` })
    assert.deepEqual([status, body.partition], [200, partition], JSON.stringify(body))
  }
  for (const { url, partition } of places) {
    const { status, body } = await ask(url, `/t/partitions/${partition}/records?offset=start`)
    assert.equal(status, 200)
    assert.deepEqual(
      (body.records as { value: string }[]).map(({ value }) => value),
      nodes.map(node => `${node.url} ${partition}`),
    )
  }
  const beyond = await Promise.all(nodes.map(({ url }) => ask(url, '/t/partitions/0/records?offset=99')))
  assert.deepEqual(
    beyond.map(({ status }) => status),
    [416, 416, 416],
  )
  // A node leaves: those that remain go on taking what it led.
  await nodes[2]!.close()
  for (const { url } of nodes.slice(0, 2)) {
    for (const partition of [0, 1, 2]) {
      const { status, body } = await post(url, `/t/partitions/${partition}/records`, { value: 'after' })
      assert.equal(status, 200, JSON.stringify(body))
      const read = await ask(url, `/t/partitions/${partition}/records?offset=${body.offset}`)
      assert.deepEqual(
        (read.body.records as { value: string }[]).map(({ value }) => value),
        ['after'],
      )
    }
  }
})

test('a cluster: acks and min.insync.replicas are the broker’s, through whichever node', async t => {
  const cluster = await startCluster({ logger: silentLogger })
  afterTest(t, () => cluster.close())
  const { bootstrap, nodes } = cluster
  const admin = new Admin({ bootstrap })
  const producer = new Producer({ bootstrap })
  afterTest(t, () => Promise.all([admin.close(), producer.close()]))
  await admin.createTopics({
    topics: [{ name: 't', replicationFactor: 3, configs: { 'min.insync.replicas': '3' } }],
  })
  await producer.send({ topic: 't', messages: [{ value: 'first' }] })
  await nodes[2]!.close()
  const [first, second] = nodes as unknown as [{ url: string }, { url: string }]
  await until(
    async () => (await post(first.url, '/t/records', { value: 'refused' })).body.error === 'NOT_ENOUGH_REPLICAS',
  )
  const refused = await post(second.url, '/t/records', { value: 'refused' })
  assert.deepEqual([refused.status, refused.body.error], [503, 'NOT_ENOUGH_REPLICAS'])
  const leaderOnly = await post(first.url, '/t/records?acks=1', { value: 'acks 1' })
  assert.equal(leaderOnly.status, 200)
  const unacknowledged = await post(second.url, '/t/records?acks=0', { value: 'acks 0' })
  assert.deepEqual([unacknowledged.status, unacknowledged.body.offset], [202, null])
})

test('a cluster: a node that stops answers what it was waiting for from another', async t => {
  const cluster = await startCluster({ logger: silentLogger })
  afterTest(t, () => cluster.close())
  const admin = new Admin({ bootstrap: cluster.bootstrap })
  afterTest(t, () => admin.close())
  await admin.createTopics({ topics: [{ name: 't', replicationFactor: 3 }] })
  const [topic] = await admin.describeTopics({ topics: ['t'] })
  const leader = cluster.nodes[topic!.partitions[0]!.leader! - 1]!
  const asked = cluster.nodes.find(node => node !== leader)!
  await post(asked.url, '/t/records', { value: 1 })
  const polled = ask(asked.url, '/t/partitions/0/records?offset=end&maxWaitMs=30000')
  const metrics = async () => (await fetch(`${leader.url.replace('ws:', 'http:')}/metrics`)).text()
  await until(async () => /millrace_fetches_delayed_total [1-9]/.test(await metrics()))
  await asked.close()
  const { status, body } = await polled
  assert.deepEqual([status, body.error], [503, 'SHUTTING_DOWN'])
})

test('a stop answers what is under way', async t => {
  const server = await startNode(t, { inMemory: true })
  const { admin } = clientsOf(t, server)
  await admin.createTopics({ topics: [{ name: 't' }] })
  await post(server.url, '/t/records', { value: 1 })
  assert.equal((await readTopic(server.url, 't')).length, 1)
  const polled = ask(server.url, '/t/partitions/0/records?offset=end&maxWaitMs=30000')
  const metrics = async () => (await fetch(`${server.url.replace('ws:', 'http:')}/metrics`)).text()
  await until(async () => /millrace_fetches_delayed_total [1-9]/.test(await metrics()))
  await server.close()
  const { status, body } = await polled
  assert.deepEqual([status, body.records], [200, []])
})
