/**
 * Apache Kafka reads what Millrace wrote, and Millrace takes what Kafka wrote. For every compression codec:
 *
 * - records produced through the command line; then Kafka's own DumpLogSegments goes over each segment (deep iteration,
 *   every record decoded) and over both indexes, and must find nothing wrong;
 * - a batch written by Kafka's MemoryRecordsBuilder, and one written by kafkajs's encoder, is appended as it is and
 *   read back record by record.
 *
 * Needs a JVM (17 or later) and Maven, which fetches Kafka's jars; run by CI where both exist.
 */
import assert from 'node:assert/strict'
import { execFileSync, type SpawnSyncReturns, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Admin, Consumer } from '../src/index.ts'
import { systemClock } from '../src/platform/clock.ts'
import { wsSocketFactory } from '../src/platform/ws-client.ts'
import { produce } from '../src/protocol/apis/index.ts'
import { type CompressionName, compressionNames } from '../src/protocol/batch/header.ts'
import { startServer } from '../src/server/index.ts'
import { openConnection } from '../src/transport/client-connection.ts'

const recordsPerTopic = 5_000
const scriptDirectory = path.join(import.meta.dirname, 'kafka')
const work = mkdtempSync(path.join(tmpdir(), 'millrace-kafka-'))

try {
  const classPath = fetchKafka()
  run('java', ['-cp', classPath, path.join(scriptDirectory, 'WriteBatches.java'), work])
  const dataDir = path.join(work, 'data')
  await fillTopics(dataDir)
  for (const codec of compressionNames) dumpSegments(classPath, dataDir, `millrace-${codec}`)
  dumpSegments(classPath, dataDir, 'foreign')
  console.log('ok: Kafka reads Millrace, Millrace reads Kafka and kafkajs')
} finally {
  rmSync(work, { recursive: true, force: true })
}

function fetchKafka(): string {
  console.log('fetching Kafka’s jars with Maven')
  const output = path.join(work, 'class-path')
  run('mvn', [
    '-q',
    '-B',
    '-f',
    path.join(scriptDirectory, 'pom.xml'),
    'dependency:build-classpath',
    `-Dmdep.outputFile=${output}`,
  ])
  return readFileSync(output, 'utf8').trim()
}

async function fillTopics(dataDir: string): Promise<void> {
  const server = await startServer({ dataDir, port: 0, config: { 'log.level': 'warn' } })
  try {
    const admin = new Admin({ bootstrap: server.url })
    const topics = [...compressionNames.map(codec => `millrace-${codec}`), 'foreign']
    // Small segments and a dense index, so that rolling and both indexes have something to show.
    const configs = { 'segment.bytes': String(64 << 10), 'index.interval.bytes': '4096' }
    await admin.createTopics({ topics: topics.map(name => ({ name, numPartitions: 1, configs })) })
    for (const codec of compressionNames) await produceByCommandLine(server.url, codec)
    await appendForeign(server.url)
    await admin.close()
  } finally {
    await server.close()
  }
}

/** In a process of its own: the server lives in this one, whose event loop must go on. */
async function produceByCommandLine(url: string, codec: CompressionName): Promise<void> {
  const lines = Array.from({ length: recordsPerTopic }, (_, i) => `key-${i % 97}\tvalue ${i} ${'x'.repeat(i % 200)}`)
  const args = [
    'bin/millrace.cjs',
    'produce',
    `millrace-${codec}`,
    '-b',
    url,
    '-K',
    '\\t',
    '-z',
    codec,
    '-q',
    '-X',
    'batch.size=4096',
  ]
  const producing = spawn('node', args, { stdio: ['pipe', 'ignore', 'inherit'] })
  producing.stdin.end(`${lines.join('\n')}\n`)
  const [code] = await once(producing, 'exit')
  assert.equal(code, 0)
}

async function appendForeign(url: string): Promise<void> {
  const connection = await openConnection(url, {
    socketFactory: wsSocketFactory({}),
    clock: systemClock,
    clientId: 'test-kafka',
    software: 'test-kafka',
    connectTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    inFlightBytesMax: 16 << 20,
  })
  const batches = [
    ...compressionNames.map(codec => readFileSync(path.join(work, `${codec}.batch`))),
    await kafkajsBatch(0),
    await kafkajsBatch(1),
  ]
  for (const records of batches) {
    const item = { topic: 'foreign', topicId: null, partition: 0, leaderEpoch: -1, sendEpoch: -1, records }
    const response = await connection.request(produce, { acks: -1, timeoutMs: 30_000, partitions: [item] })
    assert.equal(response.partitions[0]!.errorCode, 0, response.partitions[0]!.errorMessage ?? '')
  }
  await connection[Symbol.asyncDispose]()
  await readForeignBack(url)
}

async function readForeignBack(url: string): Promise<void> {
  const consumer = new Consumer({ bootstrap: url, topics: ['foreign'], from: 'start' })
  const total = compressionNames.length * 500 + 2 * 10
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())
  let count = 0
  for await (const record of consumer) {
    assert.equal(record.offset, count)
    if (count < compressionNames.length * 500) {
      const i = count % 500
      const codec = compressionNames[Math.floor(count / 500)]!
      assert.equal(text(record.key), i % 5 === 3 ? null : `key-${i}`)
      assert.equal(text(record.value), i % 7 === 6 ? null : `value-${i} of ${codec}`)
      assert.equal(record.headers.length, i % 2 === 0 ? 1 : 0)
      assert.equal(record.timestamp, 1_700_000_000_000 + i)
    } else {
      assert.match(text(record.value)!, /^kafkajs-/)
    }
    count++
    if (count === total) break
  }
  await consumer.close()
}

/** kafkajs's own encoder: an independent implementation of the format in JavaScript. */
async function kafkajsBatch(compression: 0 | 1): Promise<Uint8Array> {
  const require = createRequire(import.meta.url)
  const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0/index.js')
  const Record = require('kafkajs/src/protocol/recordBatch/record/v0/index.js')
  const firstTimestamp = 1_700_000_000_000
  const records = Array.from({ length: 10 }, (_, i) =>
    Record({ offsetDelta: i, timestampDelta: i, key: `k${i}`, value: `kafkajs-${i}`, headers: { a: 'b' } }),
  )
  const encoder = await RecordBatch({
    compression,
    records,
    firstTimestamp,
    maxTimestamp: firstTimestamp + 9,
    lastOffsetDelta: 9,
  })
  return encoder.buffer
}

function dumpSegments(classPath: string, dataDir: string, topic: string): void {
  const directory = path.join(dataDir, `${topic}-0`)
  const files = readdirSync(directory)
  const pick = (suffix: string): string =>
    files
      .filter(name => name.endsWith(suffix))
      .map(name => path.join(directory, name))
      .join(',')
  const logs = pick('.log')
  assert.ok(logs !== '', `no segment in ${directory}`)
  const records = dump(classPath, ['--deep-iteration', '--print-data-log', '--files', logs])
  const count = records.split('\n').filter(line => line.startsWith('| offset:')).length
  const expected = topic === 'foreign' ? compressionNames.length * 500 + 20 : recordsPerTopic
  assert.equal(count, expected, `${topic}: Kafka read ${count} of ${expected} records`)
  const indexes = [pick('.index'), pick('.timeindex')].filter(list => list !== '').join(',')
  dump(classPath, ['--verify-index-only', '--files', indexes])
  dump(classPath, ['--index-sanity-check', '--files', pick('.index')])
  console.log(`ok: ${topic}: ${count} records in ${logs.split(',').length} segments, indexes verified`)
}

/** Runs DumpLogSegments; anything it complains of is a failure, although its exit code is 0. */
function dump(classPath: string, args: string[]): string {
  const output = run('java', ['-Xmx512m', '-cp', classPath, 'kafka.tools.DumpLogSegments', ...args])
  const complaint =
    /.*(isvalid: false|mismatch|corrupt|Exception|not sane|Found timestamp|out of order|Non-consecutive|Could not|invalid bytes).*/i.exec(
      output,
    )
  assert.equal(complaint, null, complaint?.[0])
  return output
}

function run(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 256 << 20, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const failed = error as SpawnSyncReturns<string>
    throw new Error(`${command} ${args.slice(0, 6).join(' ')}: ${failed.stdout}\n${failed.stderr}`)
  }
}
