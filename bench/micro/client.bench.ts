/**
 * What the client itself costs: producer and consumer in one process against a node that answers at once, without
 * sockets, frames or a log. Each figure is the best of 5 rounds of at least 0.3 s.
 * Workload: `send` with arrays of records of 100 B (variants are named in the output) from 16 loops that each await
 * their send, batches of 64 KiB, 5 requests in flight; a consumer reading 64 KiB batches of 100 B records.
 *
 *     node --import tsx bench/micro/client.bench.ts
 */
import type { Connect, Connection } from '../../src/client/connection.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Message, ProducerOptions } from '../../src/client/producer/types.ts'
import { clientClock } from '../../src/platform/client-clock.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { installFastCrc32c } from '../../src/platform/crc32c.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { Api } from '../../src/protocol/api.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { patchBatch } from '../../src/protocol/batch/header.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { report } from './measure.ts'

installFastCrc32c()

const rounds = 5
const roundMsMin = 300
const partitionCount = 4
const loops = 16

interface ProduceBody {
  partitions: Array<{ topic: string; partition: number; records: Uint8Array }>
}
interface FetchBody {
  partitions: Array<{ topic: string; partition: number; fetchOffset: number }>
}

const fetched = cannedBatches()

/** Answers in the next turn of the event loop, as a socket would. */
const connect: Connect = async url => {
  const connection: Connection = {
    url,
    isClosed: false,
    request: (api: Api<never, never>, body: unknown) =>
      new Promise(resolve => {
        setImmediate(() => resolve(answer(api, body) as never))
      }),
    requestNoResponse: () => {},
    whenWritable: () => null,
    onClose: () => {},
    [Symbol.asyncDispose]: async () => {},
  }
  return connection
}

function answer(api: Api<never, never>, body: unknown): unknown {
  if (api.name === 'Metadata') return metadata()
  if (api.name === 'Produce') {
    const { partitions } = body as ProduceBody
    const item = { errorCode: 0, errorMessage: null, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0 }
    return { partitions: partitions.map(({ topic, partition }) => ({ topic, partition, ...item })) }
  }
  const { partitions } = body as FetchBody
  const item = {
    errorCode: 0,
    errorMessage: null,
    highWatermark: 2 ** 50,
    lastStableOffset: 2 ** 50,
    logStartOffset: 0,
  }
  return {
    partitions: partitions.map(({ topic, partition, fetchOffset }) => {
      return { topic, partition, ...item, records: fetchedAt(fetchOffset) }
    }),
  }
}

function metadata(): unknown {
  const ids = { replicas: [1], isr: [1], offlineReplicas: [] }
  const partitions = Array.from({ length: partitionCount }, (_, partition) => {
    return { errorCode: 0, partition, leaderId: 1, leaderEpoch: 1, ...ids }
  })
  const topics = [{ errorCode: 0, name: 't', topicId: 'id', isInternal: false, partitions }]
  return { clusterId: 'bench', controllerId: 1, brokers: [{ nodeId: 1, url: 'ws://node', rack: null }], topics }
}

function cannedBatches(): { bytes: Uint8Array; batchBytes: number; recordsPerBatch: number } {
  const value = new Uint8Array(100)
  const builder = new BatchBuilder({ bytesMax: 65_536, compression: 'none', codec: null })
  while (builder.tryAppend(null, value, null, 1_700_000_000_000));
  const batch = builder.finish() as Uint8Array
  const bytes = new Uint8Array(16 * batch.length)
  for (let i = 0; i < 16; i++) bytes.set(batch, i * batch.length)
  return { bytes, batchBytes: batch.length, recordsPerBatch: builder.recordCount }
}

/** The same megabyte again and again, at other offsets: they are before the CRC's range. */
function fetchedAt(fetchOffset: number): Uint8Array {
  const bytes = fetched.bytes.slice()
  for (let i = 0; i < 16; i++) patchBatch(bytes, i * fetched.batchBytes, fetchOffset + i * fetched.recordsPerBatch, 1)
  return bytes
}

const ports = {
  bootstrap: 'ws://node',
  socketFactory: { connect: () => Promise.reject(new Error('not used')) },
  codecs: nodeCodecs,
  clock: clientClock,
  random: systemRandom,
  logger: silentLogger,
}

/** Records per second of `run`, which handles some for about `roundMsMin` and returns how many. */
async function best(run: () => Promise<number>): Promise<number> {
  let perSecond = 0
  for (let round = 0; round <= rounds; round++) {
    const startMs = performance.now()
    const count = await run()
    // The first round warms up.
    if (round > 0) perSecond = Math.max(perSecond, (1_000 * count) / (performance.now() - startMs))
  }
  return perSecond
}

async function producing(messages: Message[], options: Partial<ProducerOptions> = {}): Promise<number> {
  const producer = new Producer({ ...options, ...ports }, connect)
  const perSecond = await best(async () => {
    const endMs = performance.now() + roundMsMin
    let count = 0
    const loop = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const sent = await producer.send({ topic: 't', messages })
        count += sent.length
      }
    }
    await Promise.all(Array.from({ length: loops }, loop))
    return count
  })
  await producer.close()
  return perSecond
}

async function consuming(isByBatch: boolean): Promise<number> {
  const consumer = new Consumer({ ...ports, topics: ['t'], from: 0 }, connect)
  const perSecond = await best(async () => {
    const endMs = performance.now() + roundMsMin
    let count = 0
    if (isByBatch) {
      for await (const { records } of consumer.batches()) {
        count += records.length
        if (performance.now() > endMs) break
      }
    } else {
      for await (const record of consumer) {
        count += record.value === null ? 0 : 1
        if ((count & 1023) === 0 && performance.now() > endMs) break
      }
    }
    return count
  })
  await consumer.close()
  return perSecond
}

const value = new Uint8Array(100)
const many = (count: number, message: (i: number) => Message): Message[] =>
  Array.from({ length: count }, (_, i) => message(i))
const text = new TextDecoder().decode(value.fill(0x78))

report('producer, records', [
  ['600 × 100 B bytes, one partition', await producing(many(600, () => ({ value, partition: 0 })))],
  ['600 × 100 B bytes, sticky', await producing(many(600, () => ({ value })))],
  ['100 × 100 B bytes, sticky', await producing(many(100, () => ({ value })))],
  ['600 × 100 B text, text keys', await producing(many(600, i => ({ value: text, key: `key-${i}` })))],
  ['600 × 100 B bytes, 1 header', await producing(many(600, () => ({ value, headers: { h: 'v' } })))],
  ['1 × 100 B bytes, sticky', await producing(many(1, () => ({ value })))],
  ['1000 × 1 KiB bytes, sticky', await producing(many(1_000, () => ({ value: new Uint8Array(1_024) })))],
])
report('consumer, records of 100 B', [
  ['record by record', await consuming(false)],
  ['by batch', await consuming(true)],
])
