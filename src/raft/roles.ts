/** Moving between roles: the only places where `role`, `term` and `votedFor` change. */
import { assert, assertAtMost } from '../util/assert.ts'
import { type LogIndex, type NodeId, type Term, toLogIndex, toTerm } from '../util/numbers.ts'
import { encodeConfiguration, isNamed, membersOf } from './configuration.ts'
import { Progress } from './progress.ts'
import { drawElectionTimeout, type Leader, newFollower, type Raft } from './state.ts'
import type { Configuration, Entry } from './types.ts'

/** Follows `leaderId` (or nobody yet) in `term`. A leader that comes here gives up its reads and tells the outside. */
export function becomeFollower(raft: Raft, term: Term, leaderId: NodeId | null): void {
  assertAtMost(raft.term, term, 'term never falls')
  const before = raft.role
  if (term > raft.term) {
    raft.term = term
    raft.votedFor = null
    raft.durability.isHardStateDirty = true
  }
  if (before.kind === 'follower') {
    before.leaderId = leaderId
    // A higher term alone does not restart the wait: else a server that cannot win could keep everyone from trying.
    if (leaderId !== null) before.electionElapsedTicks = 0
    return
  }
  raft.role = newFollower(raft.options, raft.random, leaderId)
  if (before.kind === 'leader') dropLeadership(raft, before)
}

export function becomePreCandidate(raft: Raft): void {
  assert(raft.role.kind !== 'leader', 'a leader does not campaign')
  raft.campaign++
  raft.role = {
    kind: 'preCandidate',
    votes: new Map([[raft.id, true]]),
    electionElapsedTicks: 0,
    electionTimeoutTicks: drawElectionTimeout(raft.options, raft.random),
  }
}

export function becomeCandidate(raft: Raft): void {
  assert(raft.role.kind !== 'leader', 'a leader does not campaign')
  raft.term = toTerm(raft.term + 1)
  raft.votedFor = raft.id
  raft.durability.isHardStateDirty = true
  raft.role = {
    kind: 'candidate',
    votes: new Map(),
    electionElapsedTicks: 0,
    electionTimeoutTicks: drawElectionTimeout(raft.options, raft.random),
  }
}

export function becomeLeader(raft: Raft): void {
  assert(raft.role.kind === 'candidate', 'only a candidate is elected')
  const leader: Leader = {
    kind: 'leader',
    progress: new Map(),
    observers: new Map(),
    heartbeatElapsedTicks: 0,
    termStartIndex: toLogIndex(raft.log.lastIndex + 1),
    isReady: false,
    round: 1,
    newReads: [],
    waitingReads: [],
    transfer: null,
  }
  raft.role = leader
  syncProgress(raft, leader, null)
  // Committing an entry of its own term is what lets a leader commit, read and change membership (section 8).
  appendOwn(raft, 'noop', new Uint8Array(0))
}

/** Appends to the leader's own log, in its own term. Nothing is written or sent before the end of the step. */
export function appendOwn(raft: Raft, kind: Entry['kind'], data: Uint8Array): LogIndex {
  assert(raft.role.kind === 'leader', 'only a leader appends on its own')
  const index = toLogIndex(raft.log.lastIndex + 1)
  raft.log.append({ index, term: raft.term, kind, data })
  return index
}

/** A configuration counts from the moment it is in the log (section 6). */
export function appendConfiguration(raft: Raft, leader: Leader, configuration: Configuration): void {
  const before = raft.configurations.current
  const index = appendOwn(raft, 'configuration', encodeConfiguration(configuration))
  raft.configurations.add(index, configuration)
  syncProgress(raft, leader, before)
}

/** Of somebody of whom nothing is known yet. */
export function newProgress(raft: Raft): Progress {
  return new Progress(toLogIndex(raft.log.lastIndex + 1), raft.tick, raft.options.inFlightCountMax)
}

/** An observer that became a member keeps what it has, unless the member is somebody else: another disk. */
function syncProgress(raft: Raft, leader: Leader, before: Configuration | null): void {
  const { current } = raft.configurations
  const members = membersOf(current)
  for (const id of leader.progress.keys()) {
    if (!members.includes(id) && !leader.observers.has(id)) leader.progress.delete(id)
  }
  for (const id of members) {
    if (id === raft.id) continue
    const diskId = before?.members?.find(member => member.id === id)?.diskId ?? leader.observers.get(id) ?? null
    const isSomebodyElse = diskId !== null && !isNamed(current, id, diskId)
    leader.observers.delete(id)
    if (isSomebodyElse || !leader.progress.has(id)) leader.progress.set(id, newProgress(raft))
  }
}

function dropLeadership(raft: Raft, leader: Leader): void {
  for (const { ids } of leader.waitingReads) for (const id of ids) raft.effects.push({ kind: 'readRefused', id })
  for (const id of leader.newReads) raft.effects.push({ kind: 'readRefused', id })
  if (leader.isReady) raft.effects.push({ kind: 'leadership', term: null })
}
