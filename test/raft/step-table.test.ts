/**
 * The table of SPEC.md, row by row: what each input does in each role. Messages are of the server's own term (PreVote: of
 * the next). A kind of input or message that is not here does not compile; `found`
 * and `persisted` have tests of their own.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Input } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { Raft } from '../../src/raft/state.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { dataEntry } from './entries.ts'
import { append, create, from, lead, receive, run, snapshotAt, three } from './single.ts'

const roles = ['follower', 'preCandidate', 'candidate', 'leader'] as const
type Role = (typeof roles)[number]

/** In term 2, with two entries of term 1; the leader also has the no-op, committed. Server 2 has everything. */
function inRole(role: Role): Raft {
  const raft = create([1, 1], role === 'candidate' || role === 'leader' ? 1 : 2)
  if (role === 'preCandidate') run(raft, { kind: 'campaign' })
  if (role === 'candidate') receive(raft, { kind: 'timeoutNow', ...from(2, 1) })
  if (role === 'leader') {
    lead(raft)
    receive(raft, { kind: 'appendEntriesReply', ...from(2, 2), matchIndex: toLogIndex(3), round: 1 })
  }
  assert.deepEqual([raft.role.kind, raft.term], [role, 2])
  return raft
}

const index = toLogIndex
const log = { lastIndex: index(9), lastTerm: toTerm(1) }
const messages: { readonly [Kind in Message['kind']]: Extract<Message, { kind: Kind }> } = {
  preVote: { kind: 'preVote', ...from(2, 3), ...log, campaign: 1 },
  preVoteReply: { kind: 'preVoteReply', ...from(2, 3), isGranted: true, campaign: 1 },
  requestVote: { kind: 'requestVote', ...from(2, 2), ...log, isTransfer: false },
  requestVoteReply: { kind: 'requestVoteReply', ...from(2, 2), isGranted: true },
  appendEntries: append(2, [2, 1], [dataEntry(3, 2)], 3) as Extract<Message, { kind: 'appendEntries' }>,
  appendEntriesReply: { kind: 'appendEntriesReply', ...from(3, 2), matchIndex: index(2), round: 1 },
  appendEntriesRefused: {
    kind: 'appendEntriesRefused',
    ...from(3, 2),
    prevIndex: index(2),
    conflictTerm: null,
    conflictIndex: index(1),
    round: 1,
  },
  heartbeat: { kind: 'heartbeat', ...from(2, 2), commitIndex: index(2), commitTerm: toTerm(1), round: 1 },
  heartbeatReply: { kind: 'heartbeatReply', ...from(3, 2), round: 1 },
  installSnapshot: { kind: 'installSnapshot', ...from(2, 2), snapshot: snapshotAt(9, 1), round: 1 },
  timeoutNow: { kind: 'timeoutNow', ...from(2, 2) },
  staleTerm: { kind: 'staleTerm', ...from(2, 2) },
}

const inputs: { readonly [Kind in Exclude<Input['kind'], 'message' | 'found' | 'persisted'>]: Input } = {
  tick: { kind: 'tick' },
  peerGone: { kind: 'peerGone', id: toNodeId(2) },
  campaign: { kind: 'campaign' },
  proposal: { kind: 'proposal', entries: [new Uint8Array(1)] },
  flush: { kind: 'flush' },
  readIndex: { kind: 'readIndex', id: 1 },
  transfer: { kind: 'transfer', to: toNodeId(2) },
  changeMembership: { kind: 'changeMembership', voters: three.voters, learners: [toNodeId(4)] },
  observe: { kind: 'observe', id: toNodeId(4) },
  unobserve: { kind: 'unobserve', id: toNodeId(4) },
  snapshotSaved: { kind: 'snapshotSaved', meta: snapshotAt(1, 1).meta, discardUpTo: index(0) },
  snapshotSent: { kind: 'snapshotSent', to: toNodeId(3), isDelivered: true },
}

type Row = readonly [follower: string, preCandidate: string, candidate: string, leader: string]
/** What nobody but a leader takes. */
const leaderOnly = (what: string, otherwise: string): Row => [otherwise, otherwise, otherwise, what]
/** What makes everyone a follower who does not lead. */
const follows = (what: string): Row => [what, `→ follower, ${what}`, `→ follower, ${what}`, '']

const expected: { readonly [Kind in keyof typeof messages | keyof typeof inputs]: Row } = {
  tick: ['→ preCandidate, preVote', 'preVote', '→ preCandidate, preVote', '→ follower, heartbeat, leadership'],
  peerGone: ['', '', '', ''],
  campaign: ['→ preCandidate, preVote', 'preVote', '→ preCandidate, preVote', ''],
  proposal: leaderOnly('accepted', 'refused notLeader'),
  flush: ['', '', '', ''],
  readIndex: leaderOnly('', 'readRefused'),
  transfer: leaderOnly('timeoutNow', 'refused notLeader'),
  changeMembership: leaderOnly('persist, accepted, appendEntries', 'refused notLeader'),
  observe: leaderOnly('appendEntries', ''),
  unobserve: ['', '', '', ''],
  snapshotSaved: ['', '', '', ''],
  snapshotSent: ['', '', '', ''],
  preVote: ['preVoteReply', 'preVoteReply', 'preVoteReply', ''],
  preVoteReply: ['', '→ candidate, persist, requestVote', '', ''],
  requestVote: [
    'persist, requestVoteReply',
    '→ follower, persist, requestVoteReply',
    'requestVoteReply no',
    'requestVoteReply no',
  ],
  requestVoteReply: ['', '', '→ leader, persist, appendEntries', ''],
  appendEntries: follows('persist, appendEntriesReply, apply'),
  appendEntriesReply: leaderOnly('appendEntries', ''),
  appendEntriesRefused: leaderOnly('appendEntries', ''),
  heartbeat: follows('heartbeatReply, apply'),
  heartbeatReply: leaderOnly('appendEntries', ''),
  installSnapshot: follows('persistSnapshot, appendEntriesReply, restore'),
  timeoutNow: ['→ candidate, persist, requestVote', '→ candidate, persist, requestVote', 'persist, requestVote', ''],
  staleTerm: ['', '', '', ''],
}

/** What came of it: the role, where it is another, then effects in their order, messages by their kind. */
function outcome(role: Role, input: Input): string {
  const raft = inRole(role)
  // A tick alone does little: as many as everyone's patience lasts.
  const times = input.kind === 'tick' ? 2 * raft.options.electionTimeoutTicks : 1
  const effects = Array.from({ length: times }, () => run(raft, input)).flat()
  const named = effects.map(effect => {
    if (effect.kind === 'refused') return `refused ${effect.reason}`
    if (effect.kind !== 'send') return effect.kind
    const { message } = effect
    return 'isGranted' in message && !message.isGranted ? `${message.kind} no` : message.kind
  })
  const after = raft.role.kind === role ? [] : [`→ ${raft.role.kind}`]
  return [...after, ...new Set(named)].join(', ')
}

const rows: ReadonlyArray<readonly [string, Input]> = [
  ...Object.entries(inputs),
  ...Object.entries(messages).map(([kind, message]) => [kind, { kind: 'message', message }] as const),
]
for (const [kind, input] of rows) {
  test(`${kind}, in every role`, () => {
    const outcomes = roles.map(role => outcome(role, input))
    assert.deepEqual(outcomes, expected[kind as keyof typeof expected])
  })
}
