/** Servers that are fed without being in the configuration. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../src/raft/messages.ts'
import { observersOf } from '../../src/raft/observers.ts'
import type { Raft } from '../../src/raft/state.ts'
import { toLogIndex, toNodeId } from '../../src/util/numbers.ts'
import { accept, append, create, from, lead, progressOf, receive, run, sent } from './single.ts'

const four = toNodeId(4)

function leading(): Raft {
  const raft = create([1, 1])
  lead(raft)
  accept(raft, 2, 3)
  return raft
}

function observe(raft: Raft, diskId?: string): readonly Message[] {
  return sent(run(raft, { kind: 'observe', id: four, ...(diskId === undefined ? {} : { diskId }) }))
}

const change = (raft: Raft, voters: readonly number[], learners: readonly number[]) =>
  run(raft, { kind: 'changeMembership', voters: voters.map(toNodeId), learners: learners.map(toNodeId) })

test('an observer is fed at once, and counts for nothing', () => {
  const raft = leading()
  const [message] = observe(raft)
  assert.equal(message?.kind, 'appendEntries')
  assert.deepEqual(observersOf(raft), [4])
  run(raft, { kind: 'proposal', entries: [new Uint8Array(1)] })
  run(raft, { kind: 'flush' })
  accept(raft, 4, 4)
  assert.equal(progressOf(raft, 4).matchIndex, 4)
  assert.equal(raft.log.commitIndex, 3, 'one voter of three and an observer are no majority')
  for (let tick = 0; tick <= raft.options.electionTimeoutTicks; tick++) {
    run(raft, { kind: 'tick' })
    receive(raft, { kind: 'heartbeatReply', ...from(4, raft.term), round: 1 })
  }
  assert.equal(raft.role.kind, 'follower', 'nor is it heard for a quorum')
})

test('an observer that answers a read proves nothing', () => {
  const raft = leading()
  observe(raft)
  run(raft, { kind: 'readIndex', id: 7 })
  run(raft, { kind: 'flush' })
  const round = raft.role.kind === 'leader' ? raft.role.round : 0
  const readBy = (id: number) => {
    const effects = receive(raft, { kind: 'heartbeatReply', ...from(id, raft.term), round })
    return effects.find(effect => effect.kind === 'readReady')?.id
  }
  assert.equal(readBy(4), undefined)
  assert.equal(readBy(2), 7)
})

test('who leads next knows of no observers', () => {
  const raft = leading()
  observe(raft)
  receive(raft, append(9, [2, 1], []))
  assert.deepEqual(observersOf(raft), [])
})

test('a follower takes no observers', () => {
  const raft = create([1, 1])
  assert.deepEqual(observe(raft), [])
  assert.deepEqual(observersOf(raft), [])
})

test('an observer that becomes a member keeps what it has, and is an observer no more', () => {
  const raft = leading()
  observe(raft)
  accept(raft, 4, 3)
  change(raft, [1, 2, 3], [4])
  assert.equal(progressOf(raft, 4).matchIndex, 3)
  assert.deepEqual(observersOf(raft), [])
  run(raft, { kind: 'unobserve', id: four })
  assert.equal(progressOf(raft, 4).matchIndex, 3, 'a member is not unobserved')
  observe(raft)
  assert.equal(progressOf(raft, 4).matchIndex, 3, 'nor observed')
})

test('a member that is removed is fed no more, until it is observed', () => {
  const raft = leading()
  change(raft, [1, 2, 3], [4])
  accept(raft, 2, 4)
  change(raft, [1, 2, 3], [])
  assert.ok(raft.role.kind === 'leader' && !raft.role.progress.has(four))
  assert.equal(observe(raft).length, 1)
})

test('an observer that is gone is not sent to', () => {
  const raft = leading()
  observe(raft)
  accept(raft, 4, 3)
  run(raft, { kind: 'unobserve', id: four })
  const messages = [...run(raft, { kind: 'tick' }), ...run(raft, { kind: 'tick' })]
  assert.deepEqual(
    messages.flatMap(effect => (effect.kind === 'send' ? [effect.to] : [])),
    [2, 3],
  )
})

test('observed again: the same disk goes on, another one begins anew, and so does one that nobody knows', () => {
  const raft = leading()
  observe(raft, 'a')
  const answer = { kind: 'appendEntriesReply', ...from(4, raft.term), matchIndex: toLogIndex(3), round: 1 } as const
  const answerFrom = (fromDisk: string) => run(raft, { kind: 'message', message: answer, fromDisk })
  answerFrom('a')
  assert.deepEqual(observe(raft, 'a'), [])
  assert.equal(progressOf(raft, 4).matchIndex, 3)
  observe(raft, 'b')
  assert.equal(progressOf(raft, 4).matchIndex, 0)
  answerFrom('a')
  assert.equal(progressOf(raft, 4).matchIndex, 0, 'what is still under way from the lost disk counts for nothing')
  answerFrom('b')
  assert.equal(progressOf(raft, 4).matchIndex, 3)
  observe(raft)
  assert.equal(progressOf(raft, 4).matchIndex, 0)
})
