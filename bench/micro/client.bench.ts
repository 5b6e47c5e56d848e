/**
 * The client alone: producer and consumer in one process against a node that answers at once, without sockets, frames or a log.
 * Sixteen loops each await their sends; batches are 64 KiB, 5 requests are in flight; what is consumed comes in batches of 64 KiB.
 */
import type { Connect, Connection } from '../../src/client/connection.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import type { FetchAnswer } from '../../src/client/consumer/fetch-request.ts'
import { defaultPartitioner } from '../../src/client/partitioner.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Message } from '../../src/client/producer/types.ts'
import { clientClock } from '../../src/platform/client-clock.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { Api } from '../../src/protocol/api.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { patchBatch } from '../../src/protocol/batch/header.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type Case, keep, type Prepared, type Room } from './case.ts'
import { arithmetic, objects } from './references.ts'

const partitionCount = 4
const loops = 16
const sendsPerLoop = 8
const recordsPerRun = 10_000
const value = new Uint8Array(100).fill(0x78)
const text = new TextDecoder().decode(value)

interface ProduceBody {
  partitions: Array<{ topic: string; partition: number; records: Uint8Array }>
}
interface FetchBody {
  partitions: Array<{ topic: string; partition: number; fetchOffset: number }>
}

export const room: Room = {
  name: 'client',
  cases: [
    producing('producer, 600 × 100 B bytes, one partition', 600, () => ({ value, partition: 0 })),
    producing('producer, 600 × 100 B bytes, sticky', 600, () => ({ value })),
    producing('producer, 100 × 100 B bytes, sticky', 100, () => ({ value })),
    producing('producer, 600 × 100 B text, text keys', 600, i => ({ value: text, key: `key-${i}` })),
    producing('producer, 600 × 100 B bytes, 1 header', 600, () => ({ value, headers: { h: 'v' } })),
    producing('producer, 1 × 100 B bytes, sticky', 1, () => ({ value })),
    producing('producer, 1000 × 1 KiB bytes, sticky', 1_000, () => ({ value: new Uint8Array(1_024) })),
    { name: 'consumer, record by record', operation: 'a record', clock: 'cpu', prepare: () => prepareConsuming(false) },
    { name: 'consumer, batch by batch', operation: 'a record', clock: 'cpu', prepare: () => prepareConsuming(true) },
    partitioning('partitioner, 16 B text key', i => `user-${String(i).padStart(11, '0')}`),
    partitioning('partitioner, 16 B key', i => new TextEncoder().encode(`user-${String(i).padStart(11, '0')}`)),
  ],
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
    preferredReadReplica: -1,
    divergingEpoch: null,
  }
  return {
    partitions: partitions.map(({ topic, partition, fetchOffset }): FetchAnswer => {
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

function producing(name: string, count: number, message: (i: number) => Message): Case {
  const prepare = (): Prepared => {
    const messages = Array.from({ length: count }, (_, i) => message(i))
    const producer = new Producer(ports, connect)
    const loop = async (): Promise<number> => {
      let sent = 0
      for (let send = 0; send < sendsPerLoop; send++) sent += (await producer.send({ topic: 't', messages })).length
      return sent
    }
    return {
      run: async () => {
        const sent = await Promise.all(Array.from({ length: loops }, loop))
        return sent.reduce((sum, ofLoop) => sum + ofLoop, 0)
      },
      reference: objects,
      close: () => producer.close(),
    }
  }
  return { name, operation: 'a record', clock: 'cpu', prepare }
}

function prepareConsuming(isByBatch: boolean): Prepared {
  const consumer = new Consumer({ ...ports, topics: ['t'], from: 0 }, connect)
  const records = consumer[Symbol.asyncIterator]()
  const batches = consumer.batches()
  const run = async (): Promise<number> => {
    let count = 0
    while (count < recordsPerRun) {
      const { value: next } = isByBatch ? await batches.next() : await records.next()
      if (next === undefined) throw new Error('the consumer has ended')
      count += 'records' in next ? next.records.length : 1
      keep(next)
    }
    return count
  }
  return { run, reference: objects, close: () => consumer.close() }
}

function partitioning(name: string, key: (i: number) => Uint8Array | string): Case {
  const prepare = (): Prepared => {
    const messages = Array.from({ length: 1_000 }, (_, i) => ({ key: key(i) }))
    const run = (): number => {
      let sum = 0
      for (const message of messages) sum += defaultPartitioner(message, 't', 48)!
      keep(sum)
      return messages.length
    }
    return { run, reference: arithmetic }
  }
  return { name, operation: 'a key', clock: 'cpu', prepare }
}
