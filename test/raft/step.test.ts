/** Single steps that no cluster brings about easily: the core alone, fed by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LogView } from '../../src/raft/log-view.ts'
import { defaultRaftOptions } from '../../src/raft/options.ts'
import { step } from '../../src/raft/step.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import { dataEntry } from './entries.ts'
import { accept, append, create, from, lead, receive, run, sent, snapshotAt, three } from './single.ts'

test('a snapshot of what the log already has commits it and keeps what follows', () => {
  const raft = create([1, 1, 1, 1])
  const effects = receive(raft, { kind: 'installSnapshot', ...from(2, 1), snapshot: snapshotAt(3, 1), round: 1 })
  assert.equal(raft.log.commitIndex, 3)
  assert.equal(raft.log.lastIndex, 4)
  assert.equal(
    effects.find(effect => effect.kind === 'persistSnapshot'),
    undefined,
  )
  assert.equal(sent(effects).at(-1)?.kind, 'appendEntriesReply')
})

test('a snapshot older than what is committed changes nothing and is answered with what is', () => {
  const raft = create([1, 1, 1])
  receive(raft, append(1, [3, 1], [], 3))
  const effects = receive(raft, { kind: 'installSnapshot', ...from(2, 1), snapshot: snapshotAt(2, 1), round: 1 })
  const reply = sent(effects)[0]!
  assert.equal(reply.kind === 'appendEntriesReply' && reply.matchIndex, 3)
  assert.equal(raft.log.baseIndex, 0)
})

test('two snapshots while the first is still on its way to disk: only the second is restored', () => {
  const raft = create([1])
  const other = { voters: [1, 2].map(toNodeId), oldVoters: [], learners: [] }
  const install = (index: number, configuration: Configuration) => {
    const snapshot = snapshotAt(index, 1, configuration)
    return step(raft, { kind: 'message', message: { kind: 'installSnapshot', ...from(2, 1), snapshot, round: 1 } })
  }
  install(10, three)
  install(20, other)
  assert.deepEqual(step(raft, { kind: 'persisted', write: 1 }), [])
  assert.equal(raft.log.appliedIndex, 0)
  const effects = step(raft, { kind: 'persisted', write: 2 })
  assert.deepEqual(effects, [{ kind: 'restore', snapshot: snapshotAt(20, 1, other) }])
  assert.equal(raft.log.appliedIndex, 20)
  assert.deepEqual(raft.configurations.current, other)
})

test('nothing is applied between a snapshot that is not restored yet and the entries after it', () => {
  const raft = create([1])
  const message = { kind: 'installSnapshot', ...from(2, 1), snapshot: snapshotAt(10, 1), round: 1 } as const
  step(raft, { kind: 'message', message })
  const effects = step(raft, { kind: 'message', message: append(1, [10, 1], [dataEntry(11, 1)], 11) })
  assert.equal(
    effects.find(effect => effect.kind === 'apply'),
    undefined,
  )
  const kinds = step(raft, { kind: 'persisted', write: 2 }).map(effect => effect.kind)
  assert.deepEqual(kinds, ['restore', 'apply'])
})

test('a stale, repeated or overtaken acknowledgement moves nothing back', () => {
  const raft = create([1, 1])
  lead(raft)
  accept(raft, 2, 3)
  run(raft, { kind: 'proposal', entries: [new Uint8Array(1)] })
  run(raft, { kind: 'flush' })
  accept(raft, 2, 4)
  assert.equal(raft.log.commitIndex, 4)
  accept(raft, 2, 2)
  receive(raft, {
    kind: 'appendEntriesRefused',
    ...from(2, raft.term),
    prevIndex: toLogIndex(2),
    conflictTerm: null,
    conflictIndex: toLogIndex(1),
    round: 1,
  })
  const progress = raft.role.kind === 'leader' ? raft.role.progress.get(toNodeId(2))! : null
  assert.equal(progress?.matchIndex, 4)
  assert.equal(progress?.nextIndex, 5)
  assert.equal(progress?.flow.kind, 'replicate')
})

test('an acknowledgement of an older term counts for nothing', () => {
  const raft = create([1, 1])
  lead(raft)
  receive(raft, { kind: 'appendEntriesReply', ...from(2, 1), matchIndex: toLogIndex(3), round: 1 })
  assert.equal(raft.log.commitIndex, 0)
})

test('an acknowledgement beyond the own log is a broken peer: neither a commit nor an end', () => {
  const raft = create([1, 1])
  lead(raft)
  assert.deepEqual(accept(raft, 2, 99), [])
  assert.equal(raft.log.commitIndex, 0)
  accept(raft, 2, 3)
  assert.equal(raft.log.commitIndex, 3)
})

test('consent to an earlier pre-vote does not start a later campaign', () => {
  const raft = create([1])
  run(raft, { kind: 'campaign' })
  run(raft, { kind: 'campaign' })
  receive(raft, { kind: 'preVoteReply', ...from(2, 2), isGranted: true, campaign: 1 })
  assert.equal(raft.role.kind, 'preCandidate')
  receive(raft, { kind: 'preVoteReply', ...from(2, 2), isGranted: true, campaign: 2 })
  assert.equal(raft.role.kind, 'candidate')
})

test('nothing is written when nothing changed', () => {
  const raft = create([1, 1])
  const kinds = [
    ...receive(raft, append(1, [2, 1], [])),
    ...receive(raft, append(1, [1, 1], [dataEntry(2, 1, '2')])),
    ...run(raft, { kind: 'tick' }),
    ...run(raft, { kind: 'flush' }),
  ].map(effect => effect.kind)
  assert.deepEqual(kinds, ['send', 'send'])
})

test('uncommitted bytes are bounded, are given back by commit, and never leak over leaderships', () => {
  const raft = create([1], 1, { ...defaultRaftOptions, uncommittedBytesMax: 1000 })
  lead(raft)
  accept(raft, 2, 2)
  const propose = (size: number) => run(raft, { kind: 'proposal', entries: [new Uint8Array(size)] })[0]!.kind
  assert.equal(propose(5000), 'accepted', 'one is let through however large')
  assert.equal(propose(1), 'refused')
  run(raft, { kind: 'flush' })
  accept(raft, 2, 3)
  assert.equal(raft.log.uncommittedBytes, 0)
  assert.equal(propose(900), 'accepted')
  // Deposed: the tail goes, and with it what was counted.
  receive(raft, append(9, [3, 2], [dataEntry(4, 9)], 3))
  receive(raft, append(9, [4, 9], [], 4))
  assert.equal(raft.log.uncommittedBytes, 0)
})

test('a conflict of fifty terms needs a refusal a term at most, and one when the follower has none of ours', () => {
  const leader = create([1, ...Array.from({ length: 50 }, () => 60)], 60)
  const follower = create([1, ...Array.from({ length: 50 }, (_, i) => 2 + i)], 52)
  lead(leader)
  let refusals = 0
  let toFollower = sent(run(leader, { kind: 'tick' }).concat(run(leader, { kind: 'tick' })))
  toFollower = [append(leader.term, [51, 60], []), ...toFollower]
  for (let rounds = 0; rounds < 20 && follower.log.lastIndex < 52; rounds++) {
    const answers = toFollower.flatMap(message => sent(receive(follower, message)))
    refusals += answers.filter(answer => answer.kind === 'appendEntriesRefused').length
    toFollower = answers.flatMap(answer => sent(receive(leader, { ...answer, ...from(3, answer.term) })))
    toFollower = toFollower
      .filter(message => message.kind === 'appendEntries')
      .map(message => ({ ...message, ...from(2, message.term) }))
  }
  assert.equal(follower.log.lastIndex, 52)
  assert.equal(follower.log.lastTerm, 61)
  assert.ok(refusals <= 2, `${refusals} refusals`)
})

test('the log view agrees with a plain array whatever is done to it', () => {
  const actions = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('append' as const), size: fc.nat(50), termStep: fc.nat(1) }),
      fc.record({ kind: fc.constant('truncate' as const), back: fc.nat(3) }),
      fc.record({ kind: fc.constant('commit' as const), by: fc.nat(3) }),
      fc.record({ kind: fc.constant('compact' as const), keep: fc.nat(2) }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(actions, sequence => {
      const log = new LogView(toLogIndex(0), toTerm(0), [])
      const model: Entry[] = []
      for (const action of sequence) {
        const last = model.length
        if (action.kind === 'append') {
          const term = (model.at(-1)?.term ?? 1) + action.termStep
          const entry = { ...dataEntry(last + 1, term), data: new Uint8Array(action.size) }
          log.append(entry)
          model.push(entry)
        } else if (action.kind === 'truncate') {
          const at = Math.max(log.commitIndex, last - action.back) + 1
          if (at > last) continue
          log.truncate(toLogIndex(at))
          model.length = at - 1
        } else if (action.kind === 'commit') {
          log.takeUnwritten()
          log.persistedUpTo(log.lastIndex)
          log.commitUpTo(toLogIndex(Math.min(last, log.commitIndex + action.by)))
          log.takeCommitted()
        } else log.compactTo(toLogIndex(Math.max(0, log.appliedIndex - action.keep)))
        check(log, model)
      }
    }),
    { numRuns: runs(500) },
  )
})

function check(log: LogView, model: readonly Entry[]): void {
  assert.equal(log.lastIndex, model.length)
  for (let index = log.baseIndex; index <= model.length; index++) {
    assert.equal(log.termAt(index as typeof log.baseIndex), index === 0 ? 0 : model[index - 1]!.term)
  }
  const first = toLogIndex(log.baseIndex + 1)
  assert.deepEqual(log.slice(first, Number.POSITIVE_INFINITY), model.slice(log.baseIndex))
  const uncommitted = model.slice(log.commitIndex).reduce((sum, entry) => sum + entry.data.length + 24, 0)
  assert.equal(log.uncommittedBytes, uncommitted)
  const term = model.at(-1)?.term ?? toTerm(1)
  const expected = model.findIndex(entry => entry.index > log.baseIndex && entry.term >= term)
  assert.equal(log.firstIndexOfTerm(term), expected === -1 ? model.length + 1 : expected + 1)
}

test('a voter whose leader is gone stands soon, in its turn; others gone, or a leader of others, change nothing', () => {
  const ticksUntilCampaign = (gone: number): number => {
    const raft = create([1, 1])
    receive(raft, { kind: 'heartbeat', ...from(2, 1), commitIndex: toLogIndex(2), commitTerm: toTerm(1), round: 1 })
    run(raft, { kind: 'peerGone', id: toNodeId(gone) })
    let ticks = 0
    for (; raft.role.kind === 'follower'; ticks++) run(raft, { kind: 'tick' })
    return ticks
  }
  assert.equal(ticksUntilCampaign(2), 1)
  assert.ok(ticksUntilCampaign(3) >= defaultRaftOptions.electionTimeoutTicks)
})

test('a voter that alone has lost its leader is refused by those who still hear it', () => {
  const other = create([1, 1])
  receive(other, { kind: 'heartbeat', ...from(2, 1), commitIndex: toLogIndex(2), commitTerm: toTerm(1), round: 1 })
  const ask = { kind: 'preVote', ...from(3, 2), lastIndex: toLogIndex(2), lastTerm: toTerm(1), campaign: 1 } as const
  const granted = (): boolean[] =>
    receive(other, ask).flatMap(effect =>
      effect.kind === 'send' && effect.message.kind === 'preVoteReply' ? [effect.message.isGranted] : [],
    )
  assert.ok(!granted().includes(true))
  run(other, { kind: 'peerGone', id: toNodeId(2) })
  assert.deepEqual(granted(), [true])
})
