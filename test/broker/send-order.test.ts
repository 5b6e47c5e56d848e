import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SendOrder } from '../../src/broker/send-order.ts'

function connected() {
  const gone = new AbortController()
  return { gone, origin: { signal: gone.signal } }
}

const at = (partition: number, sendEpoch: number) => ({ topic: 't', partition, sendEpoch })

test('send order: a refusal that is not answered by sending again holds nothing up', () => {
  const order = new SendOrder()
  const { origin } = connected()
  order.onRefused(origin, at(0, 3), 'INVALID_RECORD')
  assert.ok(!order.isBehindRefused(origin, at(0, 3)))
  order.onRefused(origin, at(0, 3), 'MESSAGE_TOO_LARGE')
  assert.ok(order.isBehindRefused(origin, at(0, 3)), 'it is sent again in parts')
})

test('send order: with its connection all is forgotten', () => {
  const order = new SendOrder()
  const { gone, origin } = connected()
  order.onRefused(origin, at(0, 3), 'NOT_ENOUGH_REPLICAS')
  gone.abort()
  assert.ok(!order.isBehindRefused(connected().origin, at(0, 3)))
  order.onRefused(origin, at(0, 3), 'NOT_ENOUGH_REPLICAS')
  assert.ok(!order.isBehindRefused(origin, at(0, 3)), 'an answer that comes later is for nobody')
})

test('send order: with more partitions than are told apart, others wait too, but none gets ahead', () => {
  const order = new SendOrder()
  const { origin } = connected()
  for (let partition = 0; partition < 10_000; partition++) {
    order.onRefused(origin, at(partition, partition), 'NOT_ENOUGH_REPLICAS')
  }
  for (let partition = 0; partition < 10_000; partition++) {
    assert.ok(order.isBehindRefused(origin, at(partition, partition)), `partition ${partition}`)
  }
  assert.ok(!order.isBehindRefused(origin, at(0, 10_000)))
})

/** A sender with several batches in flight, a leader that refuses at random: what is taken is in order. */
test('send order: whatever is refused, a partition takes batches in the order they were sent', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (refusals, inFlightMax) => {
      const order = new SendOrder()
      const { origin } = connected()
      const taken: number[] = []
      const unsent = Array.from({ length: 30 }, (_, i) => i)
      const wire: { batch: number; sendEpoch: number }[] = []
      const answers: { batch: number; isTaken: boolean }[] = []
      let [sendEpoch, inFlight, step] = [0, 0, 0]
      while (taken.length < 30) {
        while (inFlight < inFlightMax && unsent.length > 0 && !answers.some(answer => !answer.isTaken)) {
          wire.push({ batch: unsent.shift()!, sendEpoch })
          inFlight++
        }
        for (const { batch, sendEpoch: sentIn } of wire.splice(0, 1 + (step % 3))) {
          const item = at(0, sentIn)
          const isRefused = order.isBehindRefused(origin, item) || (refusals[step++] ?? false)
          if (isRefused) order.onRefused(origin, item, 'NOT_ENOUGH_REPLICAS')
          else taken.push(batch)
          answers.push({ batch, isTaken: !isRefused })
        }
        // All that was in flight is heard of before anything is sent again.
        if (answers.length < inFlight && answers.some(answer => !answer.isTaken)) continue
        for (const { batch, isTaken } of answers.splice(0)) {
          inFlight--
          if (isTaken) continue
          unsent.push(batch)
          sendEpoch++
        }
        unsent.sort((a, b) => a - b)
      }
      assert.deepEqual(
        taken,
        taken.toSorted((a, b) => a - b),
      )
    }),
  )
})
