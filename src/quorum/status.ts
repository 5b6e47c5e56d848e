/** What a member says of itself and, while it leads, of the others. */
import { isVoter } from '../raft/configuration.ts'
import { leaderIdOf, type Raft } from '../raft/state.ts'
import { type LogIndex, type NodeId, toLogIndex } from '../util/numbers.ts'
import type { QuorumStatus, ReplicaStatus } from './types.ts'

export function statusOf(raft: Raft, nowMs: number, tickMs: number): QuorumStatus {
  const { log, configurations } = raft
  const { voters, oldVoters, learners } = configurations.current
  const replica = (id: NodeId): ReplicaStatus => replicaStatus(raft, id, nowMs, tickMs)
  return {
    nodeId: raft.id,
    role: roleName(raft),
    term: raft.term,
    leaderId: leaderIdOf(raft),
    commitIndex: log.commitIndex,
    appliedIndex: log.appliedIndex,
    logEndIndex: next(log.lastIndex),
    snapshotIndex: raft.snapshot?.index ?? toLogIndex(0),
    voters: [...new Set([...voters, ...oldVoters])].map(replica),
    learners: learners.filter(id => !isVoter(configurations.current, id)).map(replica),
  }
}

function roleName(raft: Raft): QuorumStatus['role'] {
  if (raft.role.kind === 'leader') return 'leader'
  if (raft.role.kind !== 'follower') return 'candidate'
  return isVoter(raft.configurations.current, raft.id) ? 'follower' : 'learner'
}

function replicaStatus(raft: Raft, id: NodeId, nowMs: number, tickMs: number): ReplicaStatus {
  const isLeader = raft.role.kind === 'leader'
  if (id === raft.id) return { id, logEndIndex: next(raft.log.lastIndex), lastCaughtUpMs: isLeader ? nowMs : null }
  const progress = raft.role.kind === 'leader' ? raft.role.progress.get(id) : undefined
  if (progress === undefined) return { id, logEndIndex: null, lastCaughtUpMs: null }
  const { matchIndex, lastCaughtUpTick } = progress
  const lastCaughtUpMs = lastCaughtUpTick < 0 ? null : nowMs - (raft.tick - lastCaughtUpTick) * tickMs
  return { id, logEndIndex: next(matchIndex), lastCaughtUpMs }
}

function next(index: LogIndex): LogIndex {
  return toLogIndex(index + 1)
}
