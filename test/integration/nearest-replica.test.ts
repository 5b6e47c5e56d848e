/** Three nodes in three racks: who says where he is reads next door, and goes on elsewhere when that node is gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer, type PartitionDescription, Producer } from '../../src/index.ts'
import { type HandNode, nodesByHand, until } from './by-hand.ts'
import { afterTest } from './support.ts'

const rackOf = ({ id }: HandNode): string => `rack-${id}`
const value = 'x'.repeat(1_000)

test('a consumer reads from the replica in its rack, from the leader while that is gone, and misses nothing', {
  timeout: 300_000,
}, async t => {
  const nodes = await nodesByHand(t, 3)
  for (const node of nodes) node.start({ 'broker.rack': rackOf(node) })
  await Promise.all(nodes.map(node => node.untilReady()))
  const [one] = nodes as [HandNode]
  await one.text('topic', 'create', 'orders', '-p', '1', '-r', '3')
  const [{ leader: leaderId }] = (await one.partitions('orders')) as [PartitionDescription]
  const leader = nodes.find(({ id }) => id === leaderId)!
  const [near, other] = nodes.filter(({ id }) => id !== leaderId) as [HandNode, HandNode]

  const bootstrap = nodes.map(({ url }) => url)
  const producer = new Producer({ bootstrap })
  afterTest(t, () => producer.close())
  const consumer = new Consumer({
    bootstrap,
    topics: ['orders'],
    from: 'start',
    rack: rackOf(near),
    // So soon the leader is asked anew who is nearest.
    metadataMaxAgeMs: 1_000,
    requestTimeoutMs: 5_000,
  })
  afterTest(t, () => consumer.close())
  const records = consumer[Symbol.asyncIterator]()
  let written = 0
  const produceAndRead = async (count: number): Promise<void> => {
    await producer.send({ topic: 'orders', messages: Array.from({ length: count }, () => ({ value })) })
    for (let i = 0; i < count; i++) {
      const { value: record } = await records.next()
      assert.equal(record!.offset, written++)
    }
  }

  await produceAndRead(100)
  for (let round = 0; round < 20; round++) await produceAndRead(5)
  assert.ok((await fetchedBytes(near)) >= written * value.length, 'all of it came from next door')
  assert.equal(await fetchedBytes(leader), 0)
  assert.equal(await fetchedBytes(other), 0)

  await near.stop('SIGKILL')
  await produceAndRead(50)
  assert.ok((await fetchedBytes(leader)) > 0, 'the leader is read meanwhile')

  await near.start({ 'broker.rack': rackOf(near) }).untilReady()
  await until(async () => {
    await produceAndRead(5)
    return (await fetchedBytes(near)) > 0
  })
  await leader.stop('SIGKILL')
  await produceAndRead(50)
  const read = await near.text('consume', 'orders', '-o', 'start', '-e', '-f', '%o\\n', '--rack', rackOf(near))
  assert.deepEqual(
    read.trimEnd().split('\n').map(Number),
    Array.from({ length: written }, (_, offset) => offset),
  )
})

/** Of record batches that consumers have got from this node since its start. */
function fetchedBytes(node: HandNode): Promise<number> {
  return node.metric('millrace_fetched_bytes_total')
}
