/** What a proposer is told when its entries are cut off, overwritten or overtaken: "no" only when it is no for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiError } from '../../src/protocol/errors.ts'
import { PendingProposals } from '../../src/quorum/pending-proposals.ts'
import type { Entry } from '../../src/raft/types.ts'
import { toLogIndex, toTerm } from '../../src/util/numbers.ts'

const neverMs = Number.POSITIVE_INFINITY

function entry(index: number, term: number): Entry {
  return { index: toLogIndex(index), term: toTerm(term), kind: 'data', data: new Uint8Array(0) }
}

/** A batch at `first` to `last` of term 2, and what becomes of it. */
function pendingBatch(first: number, last: number) {
  const proposals = new PendingProposals()
  const accepted = { kind: 'accepted', firstIndex: toLogIndex(first), lastIndex: toLogIndex(last), term: toTerm(2) }
  const outcome = proposals.add(accepted as Parameters<PendingProposals['add']>[0], neverMs).then(
    () => 'committed',
    (error: ApiError) => error.code,
  )
  return { proposals, outcome }
}

test('cut off by a newer leader: another server may have it, lead next and commit it', async () => {
  const { proposals, outcome } = pendingBatch(2, 2)
  proposals.truncated(toLogIndex(2))
  assert.equal(await outcome, 'REQUEST_TIMED_OUT')
})

test('replaced by a snapshot: as unknown, wherever the snapshot ends', async () => {
  const { proposals, outcome } = pendingBatch(9, 9)
  proposals.replaced()
  assert.equal(await outcome, 'REQUEST_TIMED_OUT')
})

test('another entry committed in its place: never', async () => {
  const { proposals, outcome } = pendingBatch(2, 3)
  proposals.applied([entry(2, 3), entry(3, 3)])
  assert.equal(await outcome, 'NOT_CONTROLLER')
})

test('its beginning committed and its end overwritten: unknown, in one call or in two', async () => {
  const once = pendingBatch(2, 3)
  once.proposals.applied([entry(2, 2), entry(3, 3)])
  assert.equal(await once.outcome, 'REQUEST_TIMED_OUT')
  const twice = pendingBatch(2, 3)
  twice.proposals.applied([entry(2, 2)])
  twice.proposals.applied([entry(3, 3)])
  assert.equal(await twice.outcome, 'REQUEST_TIMED_OUT')
})

test('applied to its end: committed', async () => {
  const { proposals, outcome } = pendingBatch(2, 3)
  proposals.applied([entry(2, 2)])
  proposals.applied([entry(3, 2)])
  assert.equal(await outcome, 'committed')
})

test('what was proposed in the place of what expired and was then cut off waits like any other', async () => {
  const proposals = new PendingProposals()
  const add = (index: number, term: number, deadlineMs: number): Promise<unknown> => {
    const place = { firstIndex: toLogIndex(index), lastIndex: toLogIndex(index) }
    return proposals.add({ kind: 'accepted', ...place, term: toTerm(term) }, deadlineMs).catch(error => error.code)
  }
  const kept = add(5, 2, neverMs)
  const expired = add(9, 2, 10)
  proposals.expire(10)
  assert.equal(await expired, 'REQUEST_TIMED_OUT')
  proposals.truncated(toLogIndex(7))
  const replacing = add(7, 4, neverMs)
  proposals.applied([entry(5, 2), entry(6, 3), entry(7, 4)])
  assert.deepEqual(await Promise.all([kept, replacing]), [5, 7])
  assert.equal(proposals.count, 0)
})
