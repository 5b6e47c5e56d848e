/** Answers DescribeQuorum from the state of the leader's own member of the quorum. */
import type { ResponseOf } from '../protocol/api.ts'
import type { describeQuorum } from '../protocol/apis/index.ts'
import type { QuorumStatus, ReplicaStatus } from '../quorum/types.ts'
import type { Clock } from '../util/clock.ts'
import type { Term } from '../util/numbers.ts'

type Response = ResponseOf<typeof describeQuorum>

/** Raft's term as the rest of the system knows it: the epoch of the active controller. */
export function controllerEpoch(term: Term): number {
  return term
}

export function quorumDescription(clusterId: string, status: QuorumStatus, clock: Clock): Response {
  const describe = ({ id, diskId, url, logEndIndex, lastCaughtUpMs }: ReplicaStatus): Response['voters'][number] => ({
    id,
    logEndOffset: logEndIndex ?? -1,
    lag: logEndIndex === null ? -1 : Math.max(0, status.logEndIndex - logEndIndex),
    lastCaughtUpMs: lastCaughtUpMs === null ? null : wallClockOf(lastCaughtUpMs, clock),
    diskId,
    url,
  })
  return {
    clusterId,
    leaderId: status.leaderId ?? -1,
    leaderEpoch: controllerEpoch(status.term),
    highWatermark: status.commitIndex + 1,
    voters: status.voters.map(describe),
    observers: [...status.learners, ...status.observers].map(describe),
  }
}

function wallClockOf(monotonicMs: number, clock: Clock): number {
  return Math.round(clock.wallClockMs() - (clock.nowMs() - monotonicMs))
}
