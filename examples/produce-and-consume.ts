/**
 * Produces a few records and reads them back. With a node running (`npm start`):
 *
 *     node --import tsx examples/produce-and-consume.ts
 */
import { Admin, type ApiError, Consumer, Producer } from '../src/index.ts' // 'millrace' in your own project

const bootstrap = process.env.MILLRACE_BOOTSTRAP ?? 'ws://127.0.0.1:9292'

const admin = new Admin({ bootstrap })
try {
  await admin.createTopics({ topics: [{ name: 'groceries', numPartitions: 3 }] })
} catch (error) {
  if ((error as ApiError).code !== 'TOPIC_ALREADY_EXISTS') throw error
}
await admin.close()

const producer = new Producer({ bootstrap })
const sent = await producer.send({
  topic: 'groceries',
  messages: [
    { key: 'anna', value: JSON.stringify({ item: 'flour', kilos: 5 }) },
    { key: 'ben', value: JSON.stringify({ item: 'oats', kilos: 2 }), headers: { source: 'example' } },
    { key: 'anna', value: JSON.stringify({ item: 'rye', kilos: 1 }) },
  ],
})
console.log('written:', sent)
await producer.close()

const json = (bytes: Uint8Array | null): unknown =>
  bytes === null ? null : JSON.parse(new TextDecoder().decode(bytes))
const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes))
const consumer = new Consumer({
  bootstrap,
  topics: ['groceries'],
  from: 'start',
  until: 'end',
  deserializers: { key: text, value: json },
})
for await (const { partition, offset, key, value } of consumer) console.log(`${partition}@${offset}`, key, value)
await consumer.close()
