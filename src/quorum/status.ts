/** What a member says of itself and, while it leads, of the others. */
import { isNamed, isVoter } from '../raft/configuration.ts'
import { observersOf } from '../raft/observers.ts'
import { leaderIdOf, type Raft } from '../raft/state.ts'
import { type LogIndex, type NodeId, toLogIndex } from '../util/numbers.ts'
import type { Introduction } from './peer-port.ts'
import type { QuorumStatus, ReplicaStatus } from './types.ts'

export interface StatusContext {
  /** The state machine's. */
  readonly appliedIndex: LogIndex
  readonly nowMs: number
  readonly tickMs: number
  readonly introductionOf: (id: NodeId) => Introduction | null
}

export function statusOf(raft: Raft, context: StatusContext): QuorumStatus {
  const { appliedIndex, introductionOf } = context
  const { log, configurations } = raft
  const { voters, oldVoters, learners, clusterId = null } = configurations.current
  const replica = (id: NodeId): ReplicaStatus => {
    const { diskId, url } = configurations.current.members?.find(member => member.id === id) ??
      introductionOf(id) ?? { diskId: null, url: null }
    return { id, diskId, url, ...positionOf(raft, id, context) }
  }
  const voterIds = [...new Set([...voters, ...oldVoters])]
  const isHeard = (id: NodeId): boolean => {
    const peer = introductionOf(id)
    // Who comes with another disk is not the voter.
    return id === raft.id || (peer !== null && isNamed(configurations.current, id, peer.diskId))
  }
  return {
    nodeId: raft.id,
    clusterId,
    role: roleName(raft),
    term: raft.term,
    leaderId: leaderIdOf(raft),
    commitIndex: log.commitIndex,
    appliedIndex,
    logEndIndex: next(log.lastIndex),
    snapshotIndex: raft.snapshot?.index ?? toLogIndex(0),
    voters: voterIds.map(replica),
    votersHeard: voterIds.filter(isHeard).length,
    learners: learners.filter(id => !isVoter(configurations.current, id)).map(replica),
    observers: observersOf(raft).map(replica),
  }
}

function roleName(raft: Raft): QuorumStatus['role'] {
  if (raft.role.kind === 'leader') return 'leader'
  if (raft.role.kind !== 'follower') return 'candidate'
  return isVoter(raft.configurations.current, raft.id) ? 'follower' : 'learner'
}

function positionOf(
  raft: Raft,
  id: NodeId,
  { nowMs, tickMs }: StatusContext,
): Pick<ReplicaStatus, 'logEndIndex' | 'lastCaughtUpMs'> {
  const isLeader = raft.role.kind === 'leader'
  if (id === raft.id) return { logEndIndex: next(raft.log.lastIndex), lastCaughtUpMs: isLeader ? nowMs : null }
  const progress = raft.role.kind === 'leader' ? raft.role.progress.get(id) : undefined
  if (progress === undefined) return { logEndIndex: null, lastCaughtUpMs: null }
  const { matchIndex, lastCaughtUpTick } = progress
  const lastCaughtUpMs = lastCaughtUpTick < 0 ? null : nowMs - (raft.tick - lastCaughtUpTick) * tickMs
  return { logEndIndex: next(matchIndex), lastCaughtUpMs }
}

function next(index: LogIndex): LogIndex {
  return toLogIndex(index + 1)
}
