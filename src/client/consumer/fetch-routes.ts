/**
 * Where a partition is fetched from: its leader, or, for a consumer that says in which rack it is, the replica that the
 * leader names as nearer (KIP-392). Such a replica is read until it fails, or for `metadataMaxAgeMs`; then the leader is
 * asked again. After a failure the leader is read for that long without asking for another.
 */
import { ApiError, type ErrorName } from '../../protocol/errors.ts'
import { nameOf } from '../by-leader.ts'
import type { Cluster } from '../cluster.ts'
import type { Staleness } from '../staleness.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { ConsumerSettings } from './types.ts'

export interface Route {
  readonly nodeId: number
  readonly leaderEpoch: number
  /** What the fetch says; `null` when only the leader will do. */
  readonly rack: string | null
}

/** A replica may say this a few times: it, or the consumer's view, is a moment behind. */
const passingAtReplica: readonly ErrorName[] = ['FENCED_LEADER_EPOCH', 'UNKNOWN_LEADER_EPOCH', 'OFFSET_NOT_AVAILABLE']
const passingCountMax = 5

export class FetchRoutes {
  readonly #settings: ConsumerSettings
  readonly #cluster: Cluster
  readonly #staleness: Staleness

  constructor(settings: ConsumerSettings, cluster: Cluster, staleness: Staleness) {
    this.#settings = settings
    this.#cluster = cluster
    this.#staleness = staleness
  }

  /** `null` when there is nobody to ask now; an error when the topic is not what it was. */
  find(partition: AssignedPartition, nowMs: number): Route | ApiError | null {
    const topic = this.#cluster.topic(partition.topic)
    if (topic === null) {
      partition.unknownSinceMs ??= nowMs
      if (nowMs - partition.unknownSinceMs > this.#settings.metadataTimeoutMs) {
        return new ApiError('UNKNOWN_TOPIC_OR_PARTITION', `${nameOf(partition)}: the topic is gone`)
      }
      this.#staleness.mark()
      return null
    }
    partition.unknownSinceMs = null
    partition.topicId ??= topic.topicId
    if (partition.topicId !== topic.topicId) {
      const message = `${nameOf(partition)}: the topic was deleted and created anew; its offsets begin again: seek`
      return new ApiError('UNKNOWN_TOPIC_ID', message)
    }
    const leader = this.#cluster.leader(partition.topic, partition.partition)
    if (leader === null) {
      this.#staleness.mark()
      return null
    }
    const { leaderId, leaderEpoch } = leader
    const nodeId = this.#nearestOf(partition, leaderId, nowMs) ?? leaderId
    const isLeaderOnly = nodeId === leaderId && nowMs < partition.leaderOnlyUntilMs
    return { nodeId, leaderEpoch, rack: isLeaderOnly ? null : this.#settings.rack }
  }

  /** The leader names a nearer replica. */
  onNamed(partition: AssignedPartition, nodeId: number, nowMs: number): void {
    partition.nearest = { nodeId, untilMs: nowMs + this.#settings.metadataMaxAgeMs }
  }

  /** Something went wrong with a fetch from `nodeId`: true if the leader may do better, and is asked from now on. */
  onFailed(partition: AssignedPartition, nodeId: number, code: ErrorName, nowMs: number): boolean {
    if (partition.nearest?.nodeId !== nodeId) return false
    if (passingAtReplica.includes(code) && partition.failures < passingCountMax) return false
    this.leaveNearest(partition, nowMs)
    return true
  }

  leaveNearest(partition: AssignedPartition, nowMs: number): void {
    partition.nearest = null
    partition.leaderOnlyUntilMs = nowMs + this.#settings.metadataMaxAgeMs
  }

  #nearestOf(partition: AssignedPartition, leaderId: number, nowMs: number): number | null {
    const { nearest } = partition
    if (nearest === null) return null
    const { nodes } = this.#cluster
    if (nearest.nodeId === leaderId || nowMs >= nearest.untilMs) partition.nearest = null
    else if (nodes.isUnreachable(nearest.nodeId)) this.leaveNearest(partition, nowMs)
    return partition.nearest?.nodeId ?? null
  }
}
