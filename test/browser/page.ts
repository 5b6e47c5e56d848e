/** Runs inside a page: the library as a browser has it, against a real node. Throws when something is not as it should be. */
import { Admin, type ApiError, Consumer, Producer, partitionForKey } from '../../src/browser.ts'

const decoder = new TextDecoder()
const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : decoder.decode(bytes))

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected ${what}`)
}

/** Produces and consumes `count` records per codec in topic `browser`, and reads what Node wrote to `from-node`. */
export async function run(bootstrap: string, count: number): Promise<string[]> {
  const done: string[] = []
  const admin = new Admin({ bootstrap })
  await admin.createTopics({ topics: [{ name: 'browser', numPartitions: 3 }] })
  const expected = new Map<string, string[]>()
  for (const compression of ['none', 'gzip'] as const) {
    const producer = new Producer({ bootstrap, compression, batchBytes: 8_192 })
    const messages = Array.from({ length: count }, (_, i) => ({
      key: `schlüssel ${i % 11}`,
      value: `${compression} ${i} ${'x'.repeat(50)}`,
      headers: { compression },
    }))
    const results = await producer.send({ topic: 'browser', messages })
    for (const [i, { partition }] of results.entries()) {
      const { key, value } = messages[i]!
      expect(partition === partitionForKey(key, 3), `${key} in the partition Kafka gives it`)
      expected.set(key, [...(expected.get(key) ?? []), value])
    }
    const { batchesSent, bytesSent } = producer.stats()
    await producer.close()
    done.push(`produced ${count} records in ${batchesSent} batches, ${compression}, ${bytesSent} bytes`)
  }

  const consumer = new Consumer({ bootstrap, topics: ['browser'], from: 'start', until: 'end' })
  const seen = new Map<string, string[]>()
  for await (const record of consumer) {
    const key = text(record.key)!
    seen.set(key, [...(seen.get(key) ?? []), text(record.value)!])
    expect(text(record.headers[0]!.value) === text(record.value)!.split(' ')[0], 'each record with its header')
  }
  await consumer.close()
  for (const [key, values] of expected) {
    expect(JSON.stringify(seen.get(key)) === JSON.stringify(values), `all records of ${key}, in order`)
  }
  done.push(`consumed ${2 * count} records, in order per key`)

  const fromNode = new Consumer({ bootstrap, topics: ['from-node'], from: 'start', until: 'end' })
  let records = 0
  for await (const batch of fromNode.batches()) {
    for (const record of batch.records) expect(text(record.value) === `from node ${records++}`, 'what Node wrote')
  }
  await fromNode.close()
  done.push(`read ${records} records that Node compressed with gzip`)

  const refused = await refusalOf(() => new Producer({ bootstrap, compression: 'zstd' }))
  expect(refused === 'UNSUPPORTED_COMPRESSION_TYPE', 'a codec the browser lacks to be refused by name')
  const [topic] = await admin.describeTopics({ topics: ['browser'] })
  const total = topic!.partitions.reduce((sum, { highWatermark }) => sum + highWatermark!, 0)
  expect(total === 2 * count, 'the offsets to add up')
  await admin.close()
  done.push('administered')
  return done
}

/** The code of the error a page gets whose origin the node does not allow. */
export function connect(bootstrap: string): Promise<string | null> {
  return refusalOf(async () => {
    const admin = new Admin({ bootstrap, metadataTimeoutMs: 0 })
    try {
      await admin.listTopics()
    } finally {
      await admin.close()
    }
  })
}

async function refusalOf(action: () => unknown): Promise<string | null> {
  try {
    await action()
    return null
  } catch (error) {
    return (error as ApiError).code
  }
}
