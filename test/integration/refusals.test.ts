/** Starts that must fail: with one line that says what and where, and with nothing left open. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fetch as fetchApi } from '../../src/protocol/apis/index.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { startServer } from '../../src/server/index.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { clientsOf, connect, readTopic, startNode, temporaryDirectory } from './support.ts'

/** What it rejects with: one line. */
async function refusal(options: Parameters<typeof startServer>[0]): Promise<string> {
  const error = await startServer({ port: 0, logger: silentLogger, ...options }).then(
    server => server.close().then(() => assert.fail('it started')),
    (error: Error) => error,
  )
  assert.doesNotMatch(error.message, /\n/)
  return `${error.name}: ${error.message}`
}

test('a port in use, and the data directory is free again afterwards', async t => {
  const { port } = await startNode(t, { inMemory: true })
  const dataDir = temporaryDirectory(t)
  assert.match(await refusal({ dataDir, port }), new RegExp(`^ConfigError: .*${port}.*in use`))
  await (await startNode(t, { dataDir })).close()
})

test('a data directory in use, and the port is free again afterwards', async t => {
  const dataDir = temporaryDirectory(t)
  const first = await startNode(t, { dataDir })
  assert.match(await refusal({ dataDir }), /in use|running|lock/i)
  const { producer } = clientsOf(t, first)
  await producer.send({ topic: 't', messages: [{ value: 'still serving' }] })
})

test('an address that others reach, without the flag', async t => {
  assert.match(await refusal({ inMemory: true, host: '0.0.0.0' }), /allow\.insecure\.listeners/)
  const config = { 'allow.insecure.listeners': true, 'advertised.listeners': 'ws://127.0.0.1:0' }
  const server = await startNode(t, { inMemory: true, host: '0.0.0.0', config })
  await clientsOf(t, server).producer.send({ topic: 't', messages: [{ value: 'v' }] })
})

test('settings nobody knows and values that do not fit', async () => {
  assert.match(await refusal({ inMemory: true, config: { 'log.flush.polcy': 'os' } }), /log\.flush\.policy/)
  assert.match(await refusal({ inMemory: true, config: { 'num.partitions': 0 } }), /num\.partitions=0/)
})

test('the data directory of another node', async t => {
  const dataDir = temporaryDirectory(t)
  await (await startNode(t, { dataDir })).close()
  assert.match(await refusal({ dataDir, config: { 'node.id': 2 } }), /node/)
  await (await startNode(t, { dataDir })).close()
})

test('metadata that are gone while partitions are there: refused, and the records stay', async t => {
  const dataDir = temporaryDirectory(t)
  const server = await startNode(t, { dataDir })
  await clientsOf(t, server).producer.send({ topic: 't', messages: [{ value: 'v' }] })
  await server.close()
  const before = readdirSync(dataDir, { recursive: true })
    .map(String)
    .filter(name => name.includes('t-0'))
  rmSync(path.join(dataDir, 'raft'), { recursive: true })
  assert.match(await refusal({ dataDir }), /raft: is missing/)
  const after = readdirSync(dataDir, { recursive: true })
    .map(String)
    .filter(name => name.includes('t-0'))
  assert.deepEqual(after, before)
})

test('a partition directory that no topic owns is set aside whole, and not served', async t => {
  const dataDir = temporaryDirectory(t)
  const first = await startNode(t, { dataDir })
  const { admin, producer } = clientsOf(t, first)
  await producer.send({ topic: 'gone', messages: [{ value: 'precious' }] })
  const [topic] = await admin.listTopics()
  await first.close()
  renameSync(path.join(dataDir, 'gone-0'), path.join(dataDir, 'ghost-3'))
  const again = await startNode(t, { dataDir })
  const kept = path.join(dataDir, `ghost-3.${topic!.topicId}-stray`, '00000000000000000000.log')
  assert.match(readFileSync(kept, 'latin1'), /precious/)
  assert.deepEqual(await readTopic(again.url, 'gone'), [])
})

test('a file where the directory should be', async t => {
  const dataDir = path.join(temporaryDirectory(t), 'file')
  writeFileSync(dataDir, '')
  assert.match(await refusal({ dataDir }), /file/)
})

test('a record that is damaged on disk: its partition is offline, the others serve', async t => {
  const dataDir = temporaryDirectory(t)
  const first = await startNode(t, { dataDir })
  const { producer } = clientsOf(t, first)
  for (const topic of ['good', 'bad']) await producer.send({ topic, messages: [{ value: 'v' }] })
  await first.close()
  const segment = path.join(dataDir, 'bad-0', '00000000000000000000.log')
  const bytes = readFileSync(segment)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(segment, bytes)
  const again = await startNode(t, { dataDir })
  const connection = await connect(t, again.url)
  const place = {
    topicId: null,
    partition: 0,
    leaderEpoch: -1,
    fetchOffset: 0,
    maxBytes: 1_000_000,
    lastFetchedEpoch: -1,
  }
  const partitions = ['bad', 'good'].map(topic => ({ topic, ...place }))
  const limits = {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    format: 'batches' as const,
    rack: null,
  }
  const response = await connection.request(fetchApi, { ...limits, partitions })
  assert.deepEqual(
    response.partitions.map(p => errorName(p.errorCode)),
    ['KAFKA_STORAGE_ERROR', null],
  )
  assert.equal((await readTopic(again.url, 'good')).length, 1)
})
