/** How replication stands on this broker, for metrics: computed when it is asked for. */
import type { NodeId } from '../../util/numbers.ts'
import type { Partition } from '../partition.ts'

export interface ReplicationOverview {
  /** Here, and not served because the disk failed them. */
  readonly failed: number
  /** Records that each follower lacks of the partition it is furthest behind with. */
  readonly lagMax: ReadonlyMap<NodeId, number>
  readonly inFlightBytes: number
}

interface Sources {
  readonly partitions: Iterable<Partition>
  readonly failed: number
  readonly inFlightBytes: number
}

export function replicationOverview({ partitions, failed, inFlightBytes }: Sources): ReplicationOverview {
  const lagMax = new Map<NodeId, number>()
  for (const { leading } of partitions) {
    if (leading === null) continue
    const { replica, log } = leading
    for (const { nodeId, matchEnd } of replica.followers.values()) {
      const lag = log.logEndOffset - Math.max(log.logStartOffset, matchEnd ?? 0)
      lagMax.set(nodeId, Math.max(lagMax.get(nodeId) ?? 0, lag))
    }
  }
  return { failed, lagMax, inFlightBytes }
}
