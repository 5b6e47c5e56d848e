/** Group commit: a merged write leaves the disk as the single ones would, and messages wait for theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { merge, Outbox, type SendEffect } from '../../src/raft/outbox.ts'
import type { PersistBatch } from '../../src/raft/storage.ts'
import type { Entry } from '../../src/raft/types.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import { applyWrite, type DiskImage } from './disk-image.ts'
import { dataEntry } from './entries.ts'

function emptyImage(): DiskImage {
  return {
    hardState: { term: toTerm(0), votedFor: null },
    snapshot: null,
    entries: [1, 2, 3].map(i => dataEntry(i, 1)),
  }
}

/** A valid sequence of writes: each begins where the log, maybe cut first, ends. */
const batches = fc
  .array(fc.record({ cut: fc.option(fc.nat(4)), count: fc.nat(3), hasState: fc.boolean() }), {
    minLength: 2,
    maxLength: 8,
  })
  .map(plans => {
    let last = 3
    return plans.map(({ cut, count, hasState }, i): PersistBatch => {
      const from = cut === null || last - cut < 1 ? null : last - cut
      if (from !== null) last = from - 1
      const entries: Entry[] = Array.from({ length: count }, () => dataEntry(++last, i + 2, `${i}`))
      const hardState = hasState ? { term: toTerm(i + 2), votedFor: null } : null
      return { hardState, truncateFrom: from === null ? null : toLogIndex(from), entries }
    })
  })

test('merged batches leave the same disk as the single ones', () => {
  fc.assert(
    fc.property(batches, sequence => {
      const single = emptyImage()
      for (const batch of sequence) applyWrite(single, { kind: 'batch', write: 0, batch })
      const merged = emptyImage()
      applyWrite(merged, { kind: 'batch', write: 0, batch: sequence.reduce(merge) })
      assert.deepEqual(merged, single)
    }),
    { numRuns: runs(2000) },
  )
})

const persist = (write: number, index: number) =>
  ({ kind: 'persist', write, hardState: null, truncateFrom: null, entries: [dataEntry(index, 1)] }) as const

const send = (round: number, after: 'now' | 'persisted'): SendEffect => {
  const message = { kind: 'heartbeatReply', from: toNodeId(1), term: toTerm(1), round } as const
  return { kind: 'send', to: toNodeId(2), message, after }
}

test('a message waits for every write before it, and only for those', () => {
  const outbox = new Outbox()
  outbox.add(persist(1, 4))
  assert.equal(outbox.add(send(1, 'persisted')), null)
  assert.notEqual(outbox.add(send(2, 'now')), null)
  const first = outbox.next()
  outbox.add(persist(2, 5))
  outbox.add(persist(3, 6))
  assert.equal(outbox.add(send(3, 'persisted')), null)
  assert.equal(outbox.next(), null, 'one write at a time')
  assert.equal(first?.write, 1)
  assert.deepEqual(outbox.done(), { write: 1, messages: [send(1, 'persisted')] })
  const second = outbox.next()
  assert.equal(second?.kind === 'batch' && second.batch.entries.length, 2, 'what gathered is one write')
  assert.deepEqual(outbox.done(), { write: 3, messages: [send(3, 'persisted')] })
  assert.ok(outbox.isIdle)
  assert.notEqual(outbox.add(send(4, 'persisted')), null, 'nothing to wait for')
})
