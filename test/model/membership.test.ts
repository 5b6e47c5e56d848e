/**
 * Membership, exhaustively at small scope: joint consensus with every message and crash as in replication.test.ts, with a
 * leader that is removed and changes that are rolled back. Any server that knows a configuration may campaign and anybody
 * votes: what keeps the cluster safe is the counting alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runs } from '../support/depth.ts'
import { assertBreaks, assertHolds } from './check.ts'
import { explore, reaching } from './explore.ts'
import { RaftModel, type Scope, soundRules } from './raft-model.ts'
import type { Configuration } from './raft-state.ts'

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

test('membership: server 1 of three is removed, whoever leads', t => {
  assertHolds(t, new RaftModel(scope), { stateCountMin: 30_000 })
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

test('membership: what the other tests explore happens', () => {
  const model = new RaftModel(scope)
  const canReach = (goal: Parameters<typeof reaching<typeof model.initial>>[1]) => {
    return explore(reaching(model, goal), { stateCountMax: 100_000 }).violation?.invariant === 'reached'
  }
  // config0, no-op, joint, config2: the whole change in one term, and by two leaders.
  assert.ok(canReach(({ committed, committedIn }) => committed.length === 4 && committedIn[3] === 1))
  assert.ok(canReach(({ committed, committedIn }) => committed.length === 5 && committedIn[4] === 2))
  // Everybody's only vote is for server 1, so it led its own removal, and left.
  assert.ok(
    canReach(({ servers, committed }) => {
      return committed.length === 4 && servers.every(({ votedFor, role }) => votedFor === 0 && role === 'follower')
    }),
  )
  // A change that server 1 had in its log is not in the one of the leader that comes after.
  assert.ok(
    canReach(({ servers, terms }) => {
      const isDropped = (log: string) => log.length >= 3 && terms[2]!.log.length >= 3 && log[2] !== terms[2]!.log[2]
      return terms[2]!.leader > 0 && terms[2]!.commitCount >= 3 && isDropped(servers[0]!.log)
    }),
  )
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
