/**
 * Membership, exhaustively at small scope: joint consensus with every message and crash as in replication.test.ts, with a
 * leader that is removed and changes that are rolled back. Any server that knows a configuration may campaign and anybody
 * votes: what keeps the cluster safe is the counting alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runs } from '../support/depth.ts'
import { assertBreaks, assertHolds } from './check.ts'
import { noting } from './explore.ts'
import { RaftModel, type Scope, soundRules } from './raft-model.ts'
import type { Configuration, State } from './raft-state.ts'

const isDeep = runs(1) >= 10

const setOf = (...ids: readonly number[]): number => ids.reduce((set, id) => set | (1 << (id - 1)), 0)
const plain = (ids: readonly number[], ...next: readonly number[]): Configuration => {
  return { voters: setOf(...ids), oldVoters: 0, next }
}

/** config0 → config1, both together → config2. */
function jointly(from: readonly number[], to: readonly number[]): readonly Configuration[] {
  return [plain(from, 1), { voters: setOf(...to), oldVoters: setOf(...from), next: [2] }, plain(to)]
}

const scope: Scope = {
  serverCount: 3,
  termMax: 2,
  requestMax: 0,
  configurations: jointly([1, 2, 3], [2, 3]),
  hasNoop: true,
  rules: soundRules,
}

/** What must be among the states, or they would prove nothing. The log is config0, a no-op, config1 (joint), config2. */
const goals: Readonly<Record<string, (state: State) => boolean>> = {
  'one leader makes the whole change': ({ committed, committedIn }) => committed.length === 4 && committedIn[3] === 1,
  'another leader ends it': ({ committed, committedIn }) => committed.length === 5 && committedIn[4] === 2,
  // Everybody's only vote is for server 1, so it led its own removal, and left.
  'server 1 removes itself': ({ servers, committed }) => {
    return committed.length === 4 && servers.every(({ votedFor, role }) => votedFor === 0 && role === 'follower')
  },
  // The leader of term 2 has committed something else where server 1 still has the change.
  'a change is given up': ({ servers, terms }) => {
    const { leader, log, commitCount } = terms[2]!
    return leader > 0 && commitCount >= 3 && servers[0]!.log.length >= 3 && servers[0]!.log[2] !== log[2]
  },
}

test('membership: server 1 of three is removed, whoever leads', t => {
  const reached = new Set<string>()
  assertHolds(t, noting(new RaftModel(scope), goals, reached), { stateCountMin: 30_000 })
  assert.deepEqual([...reached].sort(), Object.keys(goals).sort())
})

test('membership: server 1 of two is replaced', t => {
  assertHolds(t, new RaftModel({ ...scope, configurations: jointly([1, 2], [2, 3]) }), { stateCountMin: 10_000 })
})

test('membership: two servers make room for two others', t => {
  const model = new RaftModel({ ...scope, serverCount: 4, configurations: jointly([1, 2], [3, 4]) })
  assertHolds(t, model, { stateCountMin: 70_000 })
})

test('membership: with a value beside the change', { skip: !isDeep && 'deep' }, t => {
  const model = new RaftModel({ ...scope, requestMax: 1, configurations: jointly([1, 2], [2, 3]) })
  assertHolds(t, model, { stateCountMin: 100_000 })
})

/** Server 1 leads term 1 and all have its no-op. */
const ready = [
  '1 asks for votes in term 1',
  '2 votes for 1 in term 1',
  '3 votes for 1 in term 1',
  '1 leads term 1',
  '1 writes its log',
  '2 gets 1:noop at 2 from the leader of term 1',
  '3 gets 1:noop at 2 from the leader of term 1',
  '1 commits 2',
]

const oneOfThree = { ...scope, serverCount: 4, configurations: jointly([1, 2, 3], [1, 2, 4]) }

test('membership: one of three is replaced', { skip: !isDeep && 'deep' }, t => {
  assertHolds(t, new RaftModel(oneOfThree), { story: ready, stateCountMin: 800_000 })
})

test('membership: with the new majority alone two leaders are elected', t => {
  const rules = { ...soundRules, bothMajorities: false }
  assertBreaks(t, new RaftModel({ ...oneOfThree, rules }), /election safety/, [...ready, '1 appends 1:config1'])
})

test('membership: a direct switch elects two leaders (Figure 10)', t => {
  const configurations = [plain([1, 2, 3], 1), plain([3, 4, 5])]
  assertBreaks(t, new RaftModel({ ...scope, serverCount: 5, configurations }), /election safety/, ready)
})

test('membership: a single-server change before an entry of the own term loses another one (Ongaro, 2015)', t => {
  // Two removes: server 1 has taken 2 out, in its log alone; server 2 may take out 1 without having committed anything.
  const configurations = [plain([1, 2, 3, 4], 1, 2), plain([1, 3, 4]), plain([2, 3, 4])]
  const rules = { ...soundRules, ownTermBeforeChange: false }
  const model = new RaftModel({ serverCount: 4, termMax: 3, requestMax: 0, configurations, hasNoop: false, rules })
  const story = [
    '1 asks for votes in term 1',
    '2 votes for 1 in term 1',
    '3 votes for 1 in term 1',
    '1 leads term 1',
    '1 appends 1:config1',
    '1 writes its log',
    '2 asks for votes in term 2',
    '1 refuses 2 in term 2',
  ]
  assertBreaks(t, model, /leader completeness/, story)
})
