/**
 * Elections, replication and crashes of three servers, exhaustively: three terms, two values, any message late, repeated,
 * out of order or lost, any server stopped at any time. Without any one of the rules a trace to a broken invariant.
 */
import { test } from 'node:test'
import { runs } from '../support/depth.ts'
import { assertBreaks, assertHolds } from './check.ts'
import { RaftModel, type Rules, type Scope, soundRules } from './raft-model.ts'

const isDeep = runs(1) >= 10

const scope: Scope = {
  serverCount: 3,
  termMax: 3,
  requestMax: 2,
  configurations: [{ voters: 0b111, oldVoters: 0, next: [] }],
  hasNoop: false,
  rules: soundRules,
}

test('replication: three terms and two values keep every invariant', t => {
  assertHolds(t, new RaftModel(scope), { stateCountMin: 100_000 })
})

test('replication: two terms and four values keep every invariant', { skip: !isDeep && 'deep' }, t => {
  assertHolds(t, new RaftModel({ ...scope, termMax: 2, requestMax: 4 }), { stateCountMin: 150_000 })
})

const without = (rule: keyof Rules, changes: Partial<Scope> = {}): RaftModel => {
  return new RaftModel({ ...scope, ...changes, rules: { ...soundRules, [rule]: false } })
}

// Figure 8 is long. Its first half, in which nothing depends on the rule, is given: server 1 has an entry of term 1,
// server 2 another of term 2, server 3 neither.
const figure8 = [
  '1 asks for votes in term 1',
  '2 votes for 1 in term 1',
  '1 leads term 1',
  '1 appends 1:value1',
  '2 asks for votes in term 2',
  '1 refuses 2 in term 2',
  '3 votes for 2 in term 2',
  '2 leads term 2',
  '2 appends 2:value2',
]

test('replication: an entry of an older term committed by counting is lost (Figure 8)', t => {
  assertBreaks(t, without('countOnlyOwnTerm', { termMax: 4 }), /leader completeness/, figure8)
})

test('replication: without the election restriction a committed entry is lost', t => {
  assertBreaks(t, without('electionRestriction'), /leader completeness/)
})

test('replication: a vote forgotten at a restart elects two leaders', t => {
  assertBreaks(t, without('voteOnDisk'), /election safety/)
})

test('replication: an acknowledgement before the disk loses a committed entry', t => {
  assertBreaks(t, without('diskBeforeAck'), /leader completeness/)
})

test('replication: a leader that counts its memory loses a committed entry', t => {
  assertBreaks(t, without('leaderCountsOwnDisk'), /leader completeness/)
})

test('replication: without the look at the entry before, logs diverge', t => {
  assertBreaks(t, without('logMatching', { termMax: 2, requestMax: 3 }), /log matching/)
})
