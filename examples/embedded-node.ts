/**
 * A whole node inside this program, in memory, with a reader that follows what is being written.
 *
 *     node --import tsx examples/embedded-node.ts
 */
import { Admin, Consumer, Producer } from '../src/index.ts' // 'millrace'
import { startServer } from '../src/server/index.ts' // 'millrace/server'
import { silentLogger } from '../src/util/logger.ts'

const node = await startServer({ inMemory: true, port: 0, logger: silentLogger })
const bootstrap = node.url

const admin = new Admin({ bootstrap })
await admin.createTopics({ topics: [{ name: 'ticks', numPartitions: 1 }] })
await admin.close()

const consumer = new Consumer({ bootstrap, topics: ['ticks'], from: 'start' })
const reading = (async () => {
  for await (const record of consumer) {
    console.log(`tick ${new TextDecoder().decode(record.value!)} at offset ${record.offset}`)
    if (record.offset === 4) break
  }
})()

const producer = new Producer({ bootstrap })
for (let tick = 0; tick < 5; tick++) await producer.send({ topic: 'ticks', messages: [{ value: String(tick) }] })

await reading
await Promise.all([producer.close(), consumer.close()])
await node.close()
