import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '../../src/client/connection.ts'
import { PartitionQueue } from '../../src/client/producer/partition-queue.ts'
import { ProducerBatch } from '../../src/client/producer/producer-batch.ts'

const connection = (name: string): Connection => ({ url: name }) as unknown as Connection
const oneWire = connection('a')
const another = connection('b')

/** A queue with `count` closed batches, numbered from 0. */
function filled(count: number): { queue: PartitionQueue; batches: ProducerBatch[]; next: () => ProducerBatch } {
  const queue = new PartitionQueue('t', 0)
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
  next()
  assert.ok(queue.maySend(oneWire, 5))
  assert.ok(!queue.maySend(another, 5), 'another connection may be faster')
  assert.ok(!queue.maySend(oneWire, 6), 'the old epoch may be fenced while the new one is accepted')
  queue.onDone()
  assert.ok(queue.maySend(another, 6))
})

test('partition queue: what comes back goes to its old place and holds up the rest', () => {
  const { queue, batches, next } = filled(5)
  const [first, second, third] = [next(), next(), next()]
  queue.onRetry(second, 100, new Error('refused'))
  assert.ok(!queue.maySend(oneWire, 5), 'what is in flight is awaited')
  queue.onRetry(first, 90, new Error('refused'))
  queue.onDone()
  assert.deepEqual(order(queue), [0, 1, 3, 4])
  assert.equal(queue.notBeforeMs, 100)
  assert.equal(third, batches[2])

  assert.equal(next(), first)
  assert.ok(!queue.maySend(oneWire, 5), 'one at a time while one that came back is left')
  queue.onDone()
  assert.equal(next(), second)
  assert.ok(!queue.maySend(oneWire, 5))
  queue.onDone()
  next()
  assert.ok(queue.maySend(oneWire, 5), 'recovered: pipelined again')
})

test('partition queue: nothing leaves while a batch is being split, then its parts come first', () => {
  const { queue, next } = filled(2)
  const whole = next()
  queue.onSplit()
  assert.ok(!queue.maySend(oneWire, 5))
  const part = (sequence: number): ProducerBatch =>
    Object.assign(Object.create(ProducerBatch.prototype), { sequence, attempts: 1 })
  queue.putBack(part(whole.sequence))
  queue.putBack(part(whole.sequence + 0.5))
  queue.isSplitting = false
  assert.deepEqual(order(queue), [0, 0.5, 1])
  assert.ok(queue.maySend(oneWire, 5))
})
