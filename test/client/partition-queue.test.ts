import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '../../src/client/connection.ts'
import { PartitionQueue, SendEpochs } from '../../src/client/producer/partition-queue.ts'
import { ProducerBatch } from '../../src/client/producer/producer-batch.ts'

const connection = (name: string): Connection => ({ url: name }) as unknown as Connection
const oneWire = connection('a')
const another = connection('b')

/** A queue with `count` closed batches, numbered from 0. */
function filled(count: number): { queue: PartitionQueue; batches: ProducerBatch[]; next: () => ProducerBatch } {
  const queue = new PartitionQueue('t', 0, new SendEpochs())
  const batches = Array.from({ length: count }, () => {
    return new ProducerBatch({
      topic: 't',
      partition: 0,
      sequence: queue.nextSequence(),
      span: 1,
      createdAtMs: 0,
      deadlineMs: 1_000,
      bytesMax: 1_000,
      capacityBytes: 0,
      buffer: null,
      compression: 'none',
      codec: null,
    })
  })
  for (const batch of batches) queue.closed.push(batch)
  const next = (): ProducerBatch => {
    const batch = queue.closed.shift()!
    queue.onSent(batch, oneWire, 5)
    return batch
  }
  return { queue, batches, next }
}

const order = (queue: PartitionQueue): number[] => [...queue.closed].map(batch => batch.sequence)

test('partition queue: batches follow each other only over one connection and under one epoch', () => {
  const { queue, next } = filled(3)
  assert.ok(queue.maySend(another, 9), 'with nothing in flight anything goes')
  const first = next()
  assert.ok(queue.maySend(oneWire, 5))
  assert.ok(!queue.maySend(another, 5), 'another connection may be faster')
  assert.ok(!queue.maySend(oneWire, 6), 'the old epoch may be fenced while the new one is accepted')
  queue.onDone(first)
  assert.ok(queue.maySend(another, 6))
})

test('partition queue: what comes back goes to its old place and holds up the rest', () => {
  const { queue, batches, next } = filled(5)
  const [first, second, third] = [next(), next(), next()]
  queue.onRetry(second, { error: new Error('refused'), notBeforeMs: 100, isViewStale: true })
  assert.ok(!queue.maySend(oneWire, 5), 'what is in flight is awaited')
  queue.onRetry(first, { error: new Error('refused'), notBeforeMs: 90, isViewStale: true })
  queue.onDone(third)
  assert.deepEqual(order(queue), [0, 1, 3, 4])
  assert.equal(queue.notBeforeMs(5), 100)
  assert.ok(queue.wantsSuccessorOf(5))
  assert.equal(queue.notBeforeMs(6), 0, 'another leader is not made to wait')
  assert.ok(!queue.wantsSuccessorOf(6))
  assert.equal(third, batches[2])

  assert.equal(next(), first)
  assert.ok(!queue.maySend(oneWire, 5), 'one at a time while one that came back is left')
  queue.onDone(first)
  assert.equal(next(), second)
  assert.ok(!queue.maySend(oneWire, 5))
  queue.onDone(second)
  next()
  assert.ok(queue.maySend(oneWire, 5), 'recovered: pipelined again')
})

test('partition queue: nothing leaves while a batch is being split, then its parts come first', () => {
  const { queue, next } = filled(2)
  const whole = next()
  queue.onSplit(whole)
  assert.ok(!queue.maySend(oneWire, 5))
  const part = (sequence: number): ProducerBatch =>
    Object.assign(Object.create(ProducerBatch.prototype), { sequence, attempts: 1 })
  queue.putBack(part(whole.sequence))
  queue.putBack(part(whole.sequence + 0.5))
  queue.isSplitting = false
  assert.deepEqual(order(queue), [0, 0.5, 1])
  assert.ok(queue.maySend(oneWire, 5))
})

test('partition queue: what a silent leader holds is taken back as a whole, and its answer does not count', () => {
  const { queue, next } = filled(4)
  const [first, second, third] = [next(), next(), next()]
  assert.equal(queue.takeBack(5, new Error('late')), 0, 'nobody else leads')
  assert.equal(queue.takeBack(6, new Error('late')), 3)
  assert.deepEqual(order(queue), [0, 1, 2, 3])
  assert.ok(!queue.isInFlight(first, 1))
  assert.equal(queue.notBeforeMs(6), 0)
  assert.ok(queue.maySend(another, 6))
  queue.onSent(queue.closed.shift()!, another, 6)
  assert.ok(queue.isInFlight(first, 2) && !queue.isInFlight(first, 1))
  assert.ok(!queue.maySend(another, 6), 'one at a time until all of them are through')
  for (const batch of [first, second, third]) {
    queue.onDone(batch)
    if (batch !== third) queue.onSent(queue.closed.shift()!, another, 6)
  }
  queue.onSent(queue.closed.shift()!, another, 6)
  assert.ok(queue.maySend(another, 6))
})
