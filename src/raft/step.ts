/**
 * The core: one fact in, effects out. `step` changes `raft` and nothing else, waits for nothing, and asks nobody; given
 * the same state, inputs and random numbers it does the same thing. SPEC.md beside it has the invariants and the table
 * of roles and inputs.
 */
import { unreachable } from '../util/assert.ts'
import { advanceCommit, hearsQuorum, isRemoved } from './commit.ts'
import { isCredible } from './credible.ts'
import { isForeignAnswer } from './disks.ts'
import {
  campaign,
  isLeaderDefended,
  maybeCountOwnVote,
  onPeerGone,
  onPreVote,
  onPreVoteReply,
  onRequestVote,
  onRequestVoteReply,
} from './election.ts'
import { onAppendEntries, onHeartbeat, onInstallSnapshot } from './follower.ts'
import { onFound } from './founding.ts'
import { sendHeartbeats } from './heartbeat.ts'
import type { Effect, Input } from './input-effect.ts'
import type { Message } from './messages.ts'
import { onObserve, onUnobserve } from './observers.ts'
import { onChangeMembership, onProposal } from './proposal.ts'
import { onReadIndex, startReadRound } from './read-index.ts'
import {
  onAppendEntriesRefused,
  onAppendEntriesReply,
  onHeartbeatReply,
  onSnapshotSent,
  replicate,
} from './replication.ts'
import { becomeFollower } from './roles.ts'
import { completeInstall, onSnapshotSaved } from './snapshot.ts'
import { isSoleVoter, type Leader, type Raft, send } from './state.ts'
import { appointSuccessor, maybeHandOver, onTransfer, tickTransfer } from './transfer.ts'

export function step(raft: Raft, input: Input): readonly Effect[] {
  switch (input.kind) {
    case 'tick':
      onTick(raft)
      break
    case 'message':
      onMessage(raft, input.message, input.fromDisk)
      break
    case 'proposal':
      onProposal(raft, input.entries)
      return takeEffects(raft)
    case 'readIndex':
      onReadIndex(raft, input.id)
      return takeEffects(raft)
    case 'flush':
      break
    case 'persisted':
      onPersisted(raft, input.write)
      break
    case 'transfer':
      onTransfer(raft, input.to)
      break
    case 'changeMembership':
      onChangeMembership(raft, input.voters, input.learners, input.members)
      break
    case 'observe':
      if (raft.role.kind === 'leader') onObserve(raft, raft.role, input.id, input.diskId ?? null)
      break
    case 'unobserve':
      if (raft.role.kind === 'leader') onUnobserve(raft.role, input.id)
      break
    case 'found':
      onFound(raft, input.configuration)
      break
    case 'peerGone':
      onPeerGone(raft, input.id)
      break
    case 'campaign':
      campaign(raft, false)
      break
    case 'snapshotSaved':
      onSnapshotSaved(raft, input.meta, input.discardUpTo)
      break
    case 'snapshotSent':
      if (raft.role.kind === 'leader') onSnapshotSent(raft, raft.role, input.to, input.isDelivered)
      break
    default:
      unreachable(input, 'input kind')
  }
  finish(raft)
  return takeEffects(raft)
}

function onTick(raft: Raft): void {
  raft.tick++
  raft.durability.tick()
  const { role } = raft
  if (role.kind === 'leader') {
    tickLeader(raft, role)
    return
  }
  role.electionElapsedTicks++
  // A server that is the whole quorum has nobody to wait for, and nobody to collide with.
  if (!isSoleVoter(raft) && role.electionElapsedTicks < role.electionTimeoutTicks) return
  if (role.kind === 'follower') role.leaderId = null
  campaign(raft, false)
}

function tickLeader(raft: Raft, leader: Leader): void {
  tickTransfer(raft, leader)
  // Heartbeats are no proof of progress: a leader that hears no quorum, or whose own disk is silent, must make room.
  const isStalled = raft.durability.stalledTicks >= raft.options.electionTimeoutTicks
  if (isStalled || (raft.rules.checkQuorum && !hearsQuorum(raft, leader))) {
    becomeFollower(raft, raft.term, null)
    return
  }
  if (++leader.heartbeatElapsedTicks < raft.options.heartbeatTicks) return
  leader.heartbeatElapsedTicks = 0
  sendHeartbeats(raft, leader)
}

function onMessage(raft: Raft, message: Message, fromDisk: string | undefined): void {
  if (!isCredible(raft, message) || isForeignAnswer(raft, message, fromDisk)) return
  if (message.term > raft.term && !enterTerm(raft, message)) return
  if (message.term < raft.term && (raft.rules.staleAnswersDoNotCount || message.kind !== 'appendEntriesReply')) {
    answerStale(raft, message)
    return
  }
  const { role } = raft
  switch (message.kind) {
    case 'preVote':
      onPreVote(raft, message)
      return
    case 'preVoteReply':
      onPreVoteReply(raft, message)
      return
    case 'requestVote':
      onRequestVote(raft, message)
      return
    case 'requestVoteReply':
      onRequestVoteReply(raft, message)
      return
    case 'appendEntries':
      onAppendEntries(raft, message)
      return
    case 'heartbeat':
      onHeartbeat(raft, message)
      return
    case 'installSnapshot':
      onInstallSnapshot(raft, message)
      return
    case 'appendEntriesReply':
      if (role.kind === 'leader') onAppendEntriesReply(raft, role, message)
      return
    case 'appendEntriesRefused':
      if (role.kind === 'leader') onAppendEntriesRefused(raft, role, message)
      return
    case 'heartbeatReply':
      if (role.kind === 'leader') onHeartbeatReply(raft, role, message)
      return
    case 'timeoutNow':
      campaign(raft, true)
      return
    case 'staleTerm':
      return
    default:
      unreachable(message, 'message kind')
  }
}

/** A newer term ends this server's own (section 5.1). Returns false when the message is not to be acted upon. */
function enterTerm(raft: Raft, message: Message): boolean {
  const asksForVote = message.kind === 'preVote' || (message.kind === 'requestVote' && !message.isTransfer)
  if (asksForVote && isLeaderDefended(raft)) return false
  // A PreVote and its consent name a term that nobody has begun.
  if (message.kind === 'preVote' || (message.kind === 'preVoteReply' && message.isGranted)) return true
  becomeFollower(raft, message.term, null)
  return true
}

/** Whoever is behind is told the term, else a server with a higher one could neither follow nor be elected. */
function answerStale(raft: Raft, message: Message): void {
  const head = { from: raft.id, term: raft.term }
  switch (message.kind) {
    case 'preVote':
      send(raft, message.from, { kind: 'preVoteReply', ...head, isGranted: false, campaign: message.campaign })
      return
    case 'requestVote':
      send(raft, message.from, { kind: 'requestVoteReply', ...head, isGranted: false })
      return
    case 'appendEntries':
    case 'heartbeat':
    case 'installSnapshot':
      send(raft, message.from, { kind: 'staleTerm', ...head })
      return
    default:
      return
  }
}

function onPersisted(raft: Raft, write: number): void {
  raft.log.persistedUpTo(raft.durability.complete(write))
  completeInstall(raft)
  maybeCountOwnVote(raft)
  if (raft.role.kind === 'leader') advanceCommit(raft, raft.role)
}

/** Everything that follows from the new state, in one place: messages, what to apply, what to write. */
function finish(raft: Raft): void {
  if (raft.role.kind === 'leader') finishLeader(raft, raft.role)
  const entries = raft.log.takeCommitted(raft.rules.onlyDurableIsApplied)
  if (entries.length > 0) raft.effects.push({ kind: 'apply', entries })
  const { role, log } = raft
  if (role.kind === 'leader' && !role.isReady && log.appliedIndex >= role.termStartIndex) {
    role.isReady = true
    raft.effects.push({ kind: 'leadership', term: raft.term })
  }
  takeWrite(raft)
}

function finishLeader(raft: Raft, leader: Leader): void {
  startReadRound(raft, leader)
  replicate(raft, leader)
  maybeHandOver(raft, leader)
  if (!isRemoved(raft)) return
  appointSuccessor(raft, leader)
  becomeFollower(raft, raft.term, null)
}

/** One write for all that changed. It stands before the messages of this step, which may have to wait for it. */
function takeWrite(raft: Raft): void {
  const { durability, log, installing } = raft
  const hardState = { term: raft.term, votedFor: raft.votedFor }
  if (installing !== null && installing.write === 0) {
    installing.write = durability.issue(log.lastIndex, true)
    const { write, snapshot } = installing
    raft.effects.unshift({ kind: 'persistSnapshot', write, hardState, snapshot })
    return
  }
  if (!durability.isHardStateDirty && !log.hasUnwritten) return
  const isDirty = durability.isHardStateDirty
  const { truncateFrom, entries } = log.takeUnwritten()
  const write = durability.issue(log.lastIndex, isDirty)
  raft.effects.unshift({ kind: 'persist', write, hardState: isDirty ? hardState : null, truncateFrom, entries })
}

function takeEffects(raft: Raft): readonly Effect[] {
  const { effects } = raft
  raft.effects = []
  return effects
}
