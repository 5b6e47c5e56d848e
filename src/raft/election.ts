/** Elections: PreVote first (thesis, section 9.6), then the vote itself (sections 5.2 and 5.4.1). */
import { type NodeId, toTerm } from '../util/numbers.ts'
import { isVoter } from './configuration.ts'
import { isOwnDiskKnown } from './disks.ts'
import type { PreVote, PreVoteReply, RequestVote, RequestVoteReply } from './messages.ts'
import { tally } from './quorum-math.ts'
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts'
import { leaderIdOf, type Raft, send } from './state.ts'

/** Begins an election, if this server may stand; at the leader's own wish (`isTransfer`) without asking first. */
export function campaign(raft: Raft, isTransfer: boolean): void {
  if (raft.role.kind === 'leader' || !mayCampaign(raft)) return
  if (isTransfer || !raft.rules.preVote) {
    startElection(raft, isTransfer)
    return
  }
  becomePreCandidate(raft)
  const { lastIndex, lastTerm } = raft.log
  const term = toTerm(raft.term + 1)
  for (const to of otherVoters(raft)) {
    send(raft, to, { kind: 'preVote', from: raft.id, term, lastIndex, lastTerm, campaign: raft.campaign })
  }
  countPreVotes(raft)
}

/**
 * A server may stand in any configuration that could still be the cluster's, not only the last one in its log: a leader
 * that removes itself may be the only one that has the entry saying so (thesis, section 4.2.2). It may not while its
 * disk is stalled or holds half a snapshot: it could not act on being elected.
 */
function mayCampaign(raft: Raft): boolean {
  if (raft.installing !== null || !isOwnDiskKnown(raft)) return false
  if (raft.durability.stalledTicks >= raft.options.electionTimeoutTicks) return false
  return raft.configurations.possible(raft.log.commitIndex).some(configuration => isVoter(configuration, raft.id))
}

function startElection(raft: Raft, isTransfer: boolean): void {
  becomeCandidate(raft)
  const { lastIndex, lastTerm } = raft.log
  for (const to of otherVoters(raft)) {
    send(raft, to, { kind: 'requestVote', from: raft.id, term: raft.term, lastIndex, lastTerm, isTransfer })
  }
}

export function onPreVote(raft: Raft, message: PreVote): void {
  // Nothing is promised and nothing remembered: the vote itself is another question.
  const isGranted = (message.term > raft.term || isVoteFree(raft, message.from)) && isUpToDate(raft, message)
  const term = isGranted ? message.term : raft.term
  send(raft, message.from, { kind: 'preVoteReply', from: raft.id, term, isGranted, campaign: message.campaign })
}

export function onPreVoteReply(raft: Raft, message: PreVoteReply): void {
  if (raft.role.kind !== 'preCandidate' || message.campaign !== raft.campaign) return
  if (message.isGranted && message.term !== raft.term + 1) return
  countVote(raft.role.votes, message.from, message.isGranted)
  countPreVotes(raft)
}

function countPreVotes(raft: Raft): void {
  if (raft.role.kind !== 'preCandidate') return
  const { votes } = raft.role
  const result = tally(raft.configurations.current, id => votes.get(id))
  if (result === 'won') startElection(raft, false)
  else if (result === 'lost') becomeFollower(raft, raft.term, null)
}

/** The message is of this term. */
export function onRequestVote(raft: Raft, message: RequestVote): void {
  const isFree = isVoteFree(raft, message.from) || !raft.rules.oneVotePerTerm
  const isGranted = isFree && isUpToDate(raft, message)
  if (isGranted) {
    if (raft.votedFor !== message.from) raft.durability.isHardStateDirty = true
    raft.votedFor = message.from
    // Whoever gets the vote gets the time to win with it.
    if (raft.role.kind === 'follower') raft.role.electionElapsedTicks = 0
    else becomeFollower(raft, raft.term, null)
  }
  send(raft, message.from, { kind: 'requestVoteReply', from: raft.id, term: raft.term, isGranted })
}

export function onRequestVoteReply(raft: Raft, message: RequestVoteReply): void {
  if (raft.role.kind !== 'candidate') return
  countVote(raft.role.votes, message.from, message.isGranted)
  countVotes(raft)
}

/** A candidate counts its own vote like any other: once it is on disk. */
export function maybeCountOwnVote(raft: Raft): void {
  if (raft.role.kind !== 'candidate' || !raft.durability.isHardStateDurable) return
  countVote(raft.role.votes, raft.id, true)
  countVotes(raft)
}

function countVotes(raft: Raft): void {
  if (raft.role.kind !== 'candidate') return
  const { votes } = raft.role
  const result = tally(raft.configurations.current, id => votes.get(id))
  if (result === 'won') becomeLeader(raft)
  else if (result === 'lost') becomeFollower(raft, raft.term, null)
}

/** The first answer stands: a repeated message must not turn a refusal into a vote. */
function countVote(votes: Map<NodeId, boolean>, from: NodeId, isGranted: boolean): void {
  if (!votes.has(from)) votes.set(from, isGranted)
}

function isVoteFree(raft: Raft, candidate: NodeId): boolean {
  return raft.votedFor === candidate || (raft.votedFor === null && leaderIdOf(raft) === null)
}

/** Last term first, then length (section 5.4.1): who wins holds every committed entry. */
function isUpToDate(raft: Raft, message: PreVote | RequestVote): boolean {
  if (!raft.rules.electionRestriction) return true
  const { lastIndex, lastTerm } = raft.log
  return message.lastTerm > lastTerm || (message.lastTerm === lastTerm && message.lastIndex >= lastIndex)
}

/**
 * Within an election timeout of hearing from a leader a server defends it: a candidate that the leader itself did not
 * ask for, cut off or removed from the cluster, must not depose it (thesis, section 4.2.3).
 */
export function isLeaderDefended(raft: Raft): boolean {
  if (!raft.rules.leaderIsDefended) return false
  if (raft.role.kind === 'leader') return true
  if (raft.role.kind !== 'follower' || raft.role.leaderId === null) return false
  return raft.role.electionElapsedTicks < raft.options.electionTimeoutTicks
}

/**
 * A voter whose leader is gone stops waiting for it, and stands after a tick or a few: voters in the order of their
 * numbers, a tick apart, so that they do not split the vote. Who alone has lost its leader is refused by those who still
 * hear it (PreVote), and follows again with the next heartbeat.
 */
export function onPeerGone(raft: Raft, id: NodeId): void {
  const { role } = raft
  if (role.kind !== 'follower' || role.leaderId !== id) return
  const { voters, oldVoters } = raft.configurations.current
  const left = [...new Set([...voters, ...oldVoters])].filter(voter => voter !== id).sort((a, b) => a - b)
  const turn = left.indexOf(raft.id)
  if (turn < 0) return
  role.leaderId = null
  role.electionElapsedTicks = Math.max(role.electionElapsedTicks, role.electionTimeoutTicks - 1 - turn)
}

function otherVoters(raft: Raft): readonly NodeId[] {
  const { voters, oldVoters } = raft.configurations.current
  return [...new Set([...voters, ...oldVoters])].filter(id => id !== raft.id)
}
