/** What a leader lets into its log: data, and changes of membership. */
import { type NodeId, toLogIndex } from '../util/numbers.ts'
import { checkConfiguration, isJoint, isNamed, membersOf, nextConfiguration } from './configuration.ts'
import type { Refusal } from './input-effect.ts'
import { appendConfiguration, appendOwn } from './roles.ts'
import type { Leader, Raft } from './state.ts'
import type { Configuration, Member } from './types.ts'

/** Appends in memory only: the write and the messages come with the next input that is not a proposal. */
export function onProposal(raft: Raft, entries: readonly Uint8Array[]): void {
  const reason = raft.role.kind === 'leader' ? proposalRefusal(raft, raft.role, entries) : 'notLeader'
  if (reason !== null) {
    raft.effects.push({ kind: 'refused', input: 'proposal', reason })
    return
  }
  const firstIndex = toLogIndex(raft.log.lastIndex + 1)
  for (const data of entries) appendOwn(raft, 'data', data)
  raft.effects.push({ kind: 'accepted', firstIndex, lastIndex: raft.log.lastIndex, term: raft.term })
}

function proposalRefusal(raft: Raft, leader: Leader, entries: readonly Uint8Array[]): Refusal | null {
  // The target could never catch up with a log that keeps growing.
  if (leader.transfer !== null) return 'transferring'
  const uncommittedBytes = raft.log.uncommittedBytes
  if (uncommittedBytes === 0) return null
  let bytes = uncommittedBytes
  for (const data of entries) bytes += data.length
  return bytes > raft.options.uncommittedBytesMax ? 'tooManyUncommittedBytes' : null
}

/**
 * Joint consensus (section 6): one entry makes old and new voters decide together; when it is committed the leader ends
 * it by itself. A change of learners alone needs no joint step: they decide nothing.
 */
export function onChangeMembership(
  raft: Raft,
  voters: readonly NodeId[],
  learners: readonly NodeId[],
  members?: readonly Member[],
): void {
  const { role } = raft
  const { current } = raft.configurations
  const isSameVoters = voters.length === current.voters.length && voters.every(id => current.voters.includes(id))
  const oldVoters = isSameVoters ? [] : current.voters
  const next = nextConfiguration(current, { voters, oldVoters, learners }, members)
  const reason = role.kind === 'leader' ? changeRefusal(raft, role, next) : 'notLeader'
  if (reason !== null || role.kind !== 'leader') {
    raft.effects.push({ kind: 'refused', input: 'changeMembership', reason: reason ?? 'notLeader' })
    return
  }
  checkConfiguration(next)
  appendConfiguration(raft, role, next)
  const index = raft.log.lastIndex
  raft.effects.push({ kind: 'accepted', firstIndex: index, lastIndex: index, term: raft.term })
}

function changeRefusal(raft: Raft, leader: Leader, next: Configuration): Refusal | null {
  if (leader.transfer !== null) return 'transferring'
  // A leader that has committed nothing of its own may not see the change it would collide with (Ongaro, raft-dev, 2015).
  const { configurations, log, rules } = raft
  if (rules.changesWaitForOwnTerm && log.commitIndex < leader.termStartIndex) return 'notReady'
  const { current, currentIndex } = configurations
  if (rules.oneChangeAtATime && (isJoint(current) || currentIndex > log.commitIndex)) return 'changeUnderWay'
  return isNamedOut(next) && keepsDisks(current, next) ? null : 'badTarget'
}

/** Where members are named at all, all of them must be. */
function isNamedOut({ members, ...ids }: Configuration): boolean {
  return members === undefined || members.length === membersOf(ids).length
}

/** A voter with another disk is another voter: it goes and comes by joint consensus, not by changing its name. */
function keepsDisks(current: Configuration, next: Configuration): boolean {
  return (current.members ?? []).every(({ id, diskId }) => !current.voters.includes(id) || isNamed(next, id, diskId))
}
