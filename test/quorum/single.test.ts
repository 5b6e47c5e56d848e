/** The driver with one voter: start, propose, read, snapshot, restart, failure. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { entryBytesMax } from '../../src/quorum/options.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { bytes, openLeader, openNode } from './harness.ts'
import { urlOf } from './virtual-network.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

test('a sole voter leads without waiting for an election timeout, once its no-op is applied', async () => {
  const node = await openLeader(new MemoryStorageImage())
  assert.deepEqual(node.leadership, [2])
  assert.equal(node.clock.nowMs(), 0)
  const status = node.quorum.status()
  assert.equal(status.role, 'leader')
  assert.equal(status.leaderId, 1)
  assert.equal(status.commitIndex, 2)
  assert.equal(status.appliedIndex, 2)
  assert.equal(status.logEndIndex, 3)
  assert.deepEqual(status.voters, [
    { id: 1, diskId: node.storage.diskId, url: urlOf(1), logEndIndex: 3, lastCaughtUpMs: 0 },
  ])
  await node.quorum[Symbol.asyncDispose]()
})

test('a proposal costs one write and resolves with its index after it is applied', async () => {
  const node = await openLeader(new MemoryStorageImage())
  const before = node.storage.persists
  let isAppliedFirst = false
  node.quorum.onApplied(() => {
    isAppliedFirst = node.machine.texts.includes('a')
  })
  const done = node.quorum.propose([bytes('a')], 1000)
  await node.run()
  assert.equal(await done, 3)
  assert.equal(isAppliedFirst, true)
  assert.equal(node.storage.persists - before, 1)
  await node.quorum[Symbol.asyncDispose]()
})

test('proposals of one turn share a write, and those that arrive during it share the next, in order', async () => {
  const node = await openLeader(new MemoryStorageImage())
  node.storage.isGated = true
  const before = node.storage.persists
  const order: string[] = []
  const propose = (text: string): void => {
    void node.quorum.propose([bytes(text)], 10_000).then(() => order.push(text))
  }
  propose('a')
  propose('b')
  await node.run()
  assert.equal(node.storage.waiting, 1)
  propose('c')
  await node.run()
  propose('d')
  propose('e')
  await node.run()
  assert.equal(node.storage.waiting, 1, 'one write at a time')
  assert.deepEqual(order, [])
  await node.storage.finish()
  assert.deepEqual(order, ['a', 'b'])
  await node.run()
  await node.storage.finish()
  assert.deepEqual(order, ['a', 'b', 'c', 'd', 'e'])
  assert.equal(node.storage.persists - before, 2)
  assert.deepEqual(node.machine.texts, ['a', 'b', 'c', 'd', 'e'])
  node.storage.isGated = false
  await node.quorum[Symbol.asyncDispose]()
})

test('nothing is applied or acknowledged before the write is durable', async () => {
  const image = new MemoryStorageImage()
  const node = await openLeader(image)
  node.storage.isGated = true
  let isDone = false
  void node.quorum.propose([bytes('a')], 10_000).then(() => {
    isDone = true
  })
  await node.run()
  // A crash here: the next life does not know the proposal, and nobody was told otherwise.
  assert.equal(isDone, false)
  assert.deepEqual(node.machine.texts, [])
  const next = await openLeader(image)
  assert.deepEqual(next.machine.texts, [])
  await next.quorum[Symbol.asyncDispose]()
})

test('a restart finds everything acknowledged, in a newer term', async () => {
  const image = new MemoryStorageImage()
  for (let life = 0; life < 4; life++) {
    const node = await openLeader(image)
    assert.deepEqual(node.leadership, [2 + life])
    assert.deepEqual(node.machine.texts, ['life0', 'life1', 'life2', 'life3'].slice(0, life))
    const done = node.quorum.propose([bytes(`life${life}`)], 1000)
    await node.run()
    await done
    // No dispose: a crash. The image keeps only what was written.
  }
})

test('a cluster is founded once: a later start with other first voters changes nothing', async () => {
  const image = new MemoryStorageImage()
  const first = await openLeader(image)
  await first.quorum[Symbol.asyncDispose]()
  const other = new Map([2, 3].map(id => [toNodeId(id), urlOf(id)]))
  const second = await openLeader(image, { voters: other })
  assert.deepEqual(
    second.quorum.status().voters.map(voter => voter.id),
    [1],
  )
  await second.quorum[Symbol.asyncDispose]()
})

test('a blank member that is no first voter waits and refuses', async () => {
  const node = await openNode(new MemoryStorageImage(), { voters: new Map([[toNodeId(2), urlOf(2)]]) })
  await node.pass(5000)
  assert.deepEqual(node.leadership, [])
  assert.equal(node.quorum.status().role, 'learner')
  await assert.rejects(node.quorum.propose([bytes('a')], 1000), isApiError('NOT_CONTROLLER'))
  await assert.rejects(node.quorum.readBarrier(1000), isApiError('NOT_CONTROLLER'))
  await node.quorum[Symbol.asyncDispose]()
})

test('a snapshot is taken past the threshold, the log is cut, and a restart begins from it', async () => {
  const image = new MemoryStorageImage()
  const snapshots = { entriesMax: 10, retainedEntries: 3 }
  const node = await openLeader(image, { snapshots })
  for (let i = 0; i < 25; i++) {
    const done = node.quorum.propose([bytes(`v${i}`)], 1000)
    await node.run()
    await done
  }
  assert.equal(node.storage.snapshots, 2)
  const { snapshotIndex } = node.quorum.status()
  assert.equal(snapshotIndex, 20)
  assert.equal(image.entries[0]?.index, snapshotIndex - 3 + 1)
  const next = await openLeader(image, { snapshots })
  assert.equal(next.machine.restores, 1)
  assert.deepEqual(next.machine.texts, node.machine.texts)
  const done = next.quorum.propose([bytes('more')], 1000)
  await next.run()
  await done
  assert.equal(next.machine.texts.at(-1), 'more')
  await next.quorum[Symbol.asyncDispose]()
})

test('a snapshot by bytes; proposals go on while it is being saved', async () => {
  const node = await openLeader(new MemoryStorageImage(), { snapshots: { bytesMax: 1000, retainedEntries: 0 } })
  const first = node.quorum.propose([new Uint8Array(1001)], 1000)
  node.storage.isGated = true
  await node.run()
  await node.storage.finish()
  await first
  assert.equal(node.storage.snapshots, 1)
  const second = node.quorum.propose([bytes('b')], 1000)
  await node.run()
  assert.equal(node.storage.waiting, 2)
  await node.storage.finish()
  await node.storage.finish()
  await second
  assert.equal(node.quorum.status().snapshotIndex, 3)
  node.storage.isGated = false
  await node.quorum[Symbol.asyncDispose]()
})

test('a rejected write stops everything, is told once and never retried', async () => {
  const node = await openLeader(new MemoryStorageImage())
  node.storage.isGated = true
  const persists = node.storage.persists
  const first = node.quorum.propose([bytes('a')], 10_000)
  await node.run()
  const second = node.quorum.propose([bytes('b')], 10_000)
  const failure = new Error('EIO')
  const outcomes = Promise.allSettled([first, second])
  await node.storage.fail(failure)
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === 'rejected' && isApiError('REQUEST_TIMED_OUT')(outcome.reason), 'outcome unknown')
  }
  await node.pass(5000)
  assert.deepEqual(node.fatal, [failure])
  assert.equal(node.storage.persists - persists, 1)
  assert.deepEqual(node.leadership, [2, null])
  await assert.rejects(node.quorum.propose([bytes('c')], 1000), isApiError('NOT_CONTROLLER'))
  assert.equal(node.clock.nextEventMs(), null, 'no timer is left')
  await node.quorum[Symbol.asyncDispose]()
})

test('a rejected snapshot stops everything too', async () => {
  const node = await openLeader(new MemoryStorageImage(), { snapshots: { entriesMax: 3 } })
  node.storage.isGated = true
  const done = node.quorum.propose([bytes('a')], 1000)
  await node.run()
  await node.storage.finish()
  await done
  const failure = new Error('ENOSPC')
  await node.storage.fail(failure)
  assert.deepEqual(node.fatal, [failure])
})

test('a state machine that throws is fatal, not silent', async () => {
  const node = await openLeader(new MemoryStorageImage())
  node.machine.apply = () => {
    throw new Error('broken')
  }
  const done = node.quorum.propose([bytes('a')], 1000)
  const outcome = assert.rejects(done, isApiError('REQUEST_TIMED_OUT'))
  await node.run()
  await outcome
  assert.equal(node.fatal[0]?.message, 'broken')
})

test('a disk that goes silent: proposals time out, leadership ends, and both come back with the disk', async () => {
  const node = await openLeader(new MemoryStorageImage())
  node.storage.isGated = true
  const timedOut = assert.rejects(node.quorum.propose([bytes('a')], 200), isApiError('REQUEST_TIMED_OUT'))
  const patient = node.quorum.propose([bytes('b')], 60_000)
  await node.pass(300)
  await timedOut
  await node.pass(3000)
  assert.deepEqual(node.leadership, [2, null])
  await assert.rejects(node.quorum.propose([bytes('c')], 1000), isApiError('NOT_CONTROLLER'))
  node.storage.isGated = false
  await node.storage.finish()
  await node.pass(200)
  assert.deepEqual(node.leadership, [2, null, 3])
  assert.equal(await patient, 4)
  assert.deepEqual(node.machine.texts, ['a', 'b'])
  await node.quorum[Symbol.asyncDispose]()
})

test('a storage that never settles does not keep the close waiting for ever', async () => {
  const node = await openLeader(new MemoryStorageImage())
  node.storage.isGated = true
  const outcome = assert.rejects(node.quorum.propose([bytes('a')], 60_000), isApiError('REQUEST_TIMED_OUT'))
  await node.run()
  const closed = node.quorum[Symbol.asyncDispose]()
  await node.pass(2000)
  await closed
  await outcome
})

test('closing drains what was proposed, announces the end, and is idempotent', async () => {
  const node = await openLeader(new MemoryStorageImage())
  const done = node.quorum.propose([bytes('a')], 1000)
  const closing = [node.quorum[Symbol.asyncDispose](), node.quorum[Symbol.asyncDispose]()]
  await Promise.all(closing)
  assert.equal(await done, 3)
  assert.deepEqual(node.leadership, [2, null])
  await assert.rejects(node.quorum.propose([bytes('b')], 1000), isApiError('NOT_CONTROLLER'))
})

test('a read barrier resolves once leadership is proven and what it may see is applied', async () => {
  const node = await openNode(new MemoryStorageImage())
  await assert.rejects(node.quorum.readBarrier(1000), isApiError('NOT_CONTROLLER'))
  await node.run()
  const read = node.quorum.readBarrier(1000)
  await node.run()
  await read
  await node.quorum[Symbol.asyncDispose]()
})

test('too many uncommitted bytes are refused, and let in again when they are committed', async () => {
  const node = await openLeader(new MemoryStorageImage(), { limits: { uncommittedBytesMax: 1000 } })
  node.storage.isGated = true
  const first = node.quorum.propose([new Uint8Array(900)], 10_000)
  await assert.rejects(node.quorum.propose([new Uint8Array(200)], 10_000), isApiError('BROKER_OVERLOADED'))
  await node.run()
  await node.storage.finish()
  await first
  node.storage.isGated = false
  const second = node.quorum.propose([new Uint8Array(900)], 10_000)
  await node.run()
  await second
  await node.quorum[Symbol.asyncDispose]()
})

test('an entry that no message could carry is refused before it is in the log', async () => {
  const node = await openLeader(new MemoryStorageImage())
  const { logEndIndex } = node.quorum.status()
  const tooLarge = [bytes('a'), new Uint8Array(entryBytesMax + 1)]
  await assert.rejects(node.quorum.propose(tooLarge, 10_000), isApiError('MESSAGE_TOO_LARGE'))
  assert.equal(node.quorum.status().logEndIndex, logEndIndex)
  await node.quorum[Symbol.asyncDispose]()
})

test('a listener may propose: what it proposes comes before what is proposed afterwards', async () => {
  const node = await openNode(new MemoryStorageImage())
  const proposals: Array<Promise<number>> = []
  node.quorum.onApplied(appliedIndex => {
    if (appliedIndex === 2) proposals.push(node.quorum.propose([bytes('from inside')], 1000))
  })
  await node.run()
  proposals.push(node.quorum.propose([bytes('from outside')], 1000))
  await node.run()
  assert.deepEqual(await Promise.all(proposals), [3, 4])
  assert.deepEqual(node.machine.texts, ['from inside', 'from outside'])
  await node.quorum[Symbol.asyncDispose]()
})
