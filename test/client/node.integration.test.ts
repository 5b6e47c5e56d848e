/** Producer, consumer and admin of the Node entry against a real node in this process, over real sockets. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { Admin, type ApiError, type CompressionName, Consumer, Producer, partitionForKey } from '../../src/index.ts'
import { type Server, startServer } from '../../src/server/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { take, text } from './harness.ts'

let server: Server
let admin: Admin

before(async () => {
  server = await startServer({ inMemory: true, port: 0, logger: silentLogger })
  admin = new Admin({ bootstrap: server.url })
})

after(async () => {
  await admin.close()
  await server.close()
})

async function createTopic(name: string, numPartitions: number): Promise<void> {
  await admin.createTopics({ topics: [{ name, numPartitions }] })
}

test('integration: produce and consume, every codec, keys to their partitions', async () => {
  await createTopic('orders', 4)
  const expected = new Map<string, string[]>()
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionName[]) {
    const producer = new Producer({ bootstrap: server.url, compression, batchBytes: 2_000 })
    const messages = Array.from({ length: 500 }, (_, i) => ({
      key: `key ${i % 17}`,
      value: `${compression} ${i}`,
      headers: { codec: compression },
      timestamp: 1_700_000_000_000 + i,
    }))
    const results = await producer.send({ topic: 'orders', messages })
    for (const [i, { partition }] of results.entries()) {
      const { key, value } = messages[i]!
      assert.equal(partition, partitionForKey(key, 4))
      expected.set(key, [...(expected.get(key) ?? []), value])
    }
    await producer.close()
  }
  const consumer = new Consumer({ bootstrap: server.url, topics: ['orders'], from: 'start', until: 'end' })
  const seen = new Map<string, string[]>()
  for await (const record of consumer) {
    const key = text(record.key)!
    seen.set(key, [...(seen.get(key) ?? []), text(record.value)!])
    assert.equal(text(record.headers[0]!.value), text(record.value)!.split(' ')[0])
  }
  assert.deepEqual(seen, expected)
  await consumer.close()
})

test('integration: a consumer at the tail gets what is written meanwhile', async () => {
  await createTopic('tail', 2)
  const consumer = new Consumer({ bootstrap: server.url, topics: ['tail'], from: 'start' })
  const producer = new Producer({ bootstrap: server.url })
  const taking = take(consumer, 200)
  for (let i = 0; i < 200; i++) await producer.send({ topic: 'tail', messages: [{ value: String(i) }] })
  const records = await taking
  const numbers = records.map(record => Number(text(record.value))).sort((a, b) => a - b)
  assert.deepEqual(
    numbers,
    Array.from({ length: 200 }, (_, i) => i),
  )
  await Promise.all([producer.close(), consumer.close()])
})

test('integration: administration', async () => {
  await createTopic('managed', 2)
  await assert.rejects(createTopic('managed', 2), { name: 'ApiError', code: 'TOPIC_ALREADY_EXISTS' })
  await admin.alterConfigs({
    resources: [{ type: 'topic', name: 'managed', changes: [{ op: 'set', key: 'retention.ms', value: 5_000 }] }],
  })
  await admin.createPartitions({ topics: [{ name: 'managed', count: 3 }] })
  const producer = new Producer({ bootstrap: server.url })
  await producer.send({ topic: 'managed', messages: [0, 1, 2, 3].map(i => ({ value: String(i), partition: 2 })) })
  const trimmed = await admin.deleteRecords({ partitions: [{ topic: 'managed', partition: 2, offset: 3 }] })
  assert.deepEqual(trimmed, [{ topic: 'managed', partition: 2, offset: 3 }])
  const [topic] = await admin.describeTopics({ topics: ['managed'] })
  assert.deepEqual(topic!.configs, { 'retention.ms': '5000' })
  assert.deepEqual(
    topic!.partitions.map(({ partition, leader, logStartOffset, highWatermark }) => {
      return [partition, leader, logStartOffset, highWatermark]
    }),
    [
      [0, server.nodeId, 0, 0],
      [1, server.nodeId, 0, 0],
      [2, server.nodeId, 3, 4],
    ],
  )
  const [configs] = await admin.describeConfigs({
    resources: [{ type: 'topic', name: 'managed', keys: ['retention.ms'] }],
  })
  assert.equal(configs!.configs[0]!.value, '5000')
  assert.ok((await admin.listTopics()).some(({ name, partitionCount }) => name === 'managed' && partitionCount === 3))
  const cluster = await admin.describeCluster()
  assert.deepEqual(
    cluster.brokers.map(({ nodeId, state }) => [nodeId, state]),
    [[server.nodeId, 'active']],
  )
  assert.equal(cluster.clusterId, server.clusterId)
  assert.equal((await admin.describeQuorum()).leaderId, server.nodeId)
  await admin.deleteTopics({ topics: ['managed'] })
  await assert.rejects(admin.describeTopics({ topics: ['managed'] }), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await producer.close()
})

test('integration: a position that is gone', async () => {
  await createTopic('gone', 1)
  const producer = new Producer({ bootstrap: server.url })
  await producer.send({ topic: 'gone', messages: [{ value: 'a' }] })
  const consumer = new Consumer({ bootstrap: server.url, assignments: [{ topic: 'gone', partition: 0, offset: 7 }] })
  await assert.rejects(take(consumer, 1), { code: 'OFFSET_OUT_OF_RANGE' })
  consumer.seek({ topic: 'gone', partition: 0, offset: -1 })
  assert.equal(text((await take(consumer, 1))[0]!.value), 'a')
  await Promise.all([producer.close(), consumer.close()])
})

test('integration: nobody listens', async () => {
  const producer = new Producer({ bootstrap: 'ws://127.0.0.1:1', metadataTimeoutMs: 0 })
  await assert.rejects(producer.send({ topic: 't', messages: [{ value: '' }] }), (error: ApiError) => {
    return error.code === 'NETWORK_EXCEPTION' && error.message.includes('ws://127.0.0.1:1')
  })
  await producer.close()
})

test('integration: a node that restarts loses nothing that was acknowledged', async t => {
  const { mkdtemp, rm } = await import('node:fs/promises')
  const dataDir = await mkdtemp('/tmp/millrace-client-')
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  let node = await startServer({ dataDir, port: 0, logger: silentLogger })
  const { port, url } = node
  const local = new Admin({ bootstrap: url })
  await local.createTopics({ topics: [{ name: 'kept', numPartitions: 2 }] })
  const producer = new Producer({ bootstrap: url })
  const sends: Promise<unknown>[] = []
  const send = (i: number) =>
    sends.push(producer.send({ topic: 'kept', messages: [{ key: `${i % 5}`, value: `${i}` }] }))
  const consumer = new Consumer({ bootstrap: url, topics: ['kept'], from: 'start' })
  const taking = take(consumer, 300)
  for (let i = 0; i < 150; i++) send(i)
  await sends[75]
  const restarted = node.close().then(async () => {
    node = await startServer({ dataDir, port, logger: silentLogger })
  })
  for (let i = 150; i < 300; i++) send(i)
  await restarted
  await Promise.all(sends)
  // The reader that was there all along: no gap, no repeat.
  for (const partition of [0, 1]) {
    const offsets = (await taking).filter(record => record.partition === partition).map(record => record.offset)
    assert.deepEqual(
      offsets,
      offsets.map((_, i) => i),
    )
  }
  const later = new Consumer({ bootstrap: url, topics: ['kept'], from: 'start', until: 'end' })
  const records = await take(later, Number.POSITIVE_INFINITY)
  await later.close()
  assert.equal(new Set(records.map(record => text(record.value))).size, 300)
  for (const key of ['0', '1', '2', '3', '4']) {
    const own = records.filter(record => text(record.key) === key).map(record => Number(text(record.value)))
    const firsts = own.filter((number, i) => own.indexOf(number) === i)
    assert.deepEqual(
      firsts,
      firsts.toSorted((a, b) => a - b),
    )
  }
  await Promise.all([producer.close(), consumer.close(), local.close()])
  await node.close()
})

test('integration: a process does not end under a send that is awaited', () => {
  const script = `
    import { Producer } from './src/index.ts'
    const producer = new Producer({ bootstrap: 'ws://127.0.0.1:1', metadataTimeoutMs: 300 })
    await producer.send({ topic: 't', messages: [{ value: '' }] }).catch(error => console.log(error.code))
    await producer.close()
    console.log('closed')`
  const args = ['--import', 'tsx', '--input-type=module', '-e', script]
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(stdout, 'NETWORK_EXCEPTION\nclosed\n')
  assert.equal(status, 0)
})
