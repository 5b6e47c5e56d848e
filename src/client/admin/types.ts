/** What the admin client takes and gives. Names of fields are the protocol's. */
import type { ResponseOf } from '../../protocol/api.ts'
import type { describeCluster, describeConfigs, describeQuorum } from '../../protocol/apis/index.ts'
import type { TopicPartition } from '../by-leader.ts'
import type { ClientOptions } from '../options.ts'

export interface AdminOptions extends ClientOptions {}

export interface NewTopic {
  readonly name: string
  /** By default the cluster's `num.partitions`. */
  readonly numPartitions?: number | undefined
  /** By default the cluster's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined
  /** Replicas of each partition, instead of the two numbers. */
  readonly assignments?: readonly (readonly number[])[] | undefined
  /** Topic configs that differ from the defaults. */
  readonly configs?: Readonly<Record<string, string | number | boolean>> | undefined
}

export interface CreatedTopic {
  readonly name: string
  readonly topicId: string | null
  readonly numPartitions: number
  readonly replicationFactor: number
}

export interface TopicListing {
  readonly name: string
  readonly topicId: string | null
  readonly isInternal: boolean
  readonly partitionCount: number
  readonly replicationFactor: number
}

export interface PartitionDescription {
  readonly partition: number
  /** -1 for none. */
  readonly leader: number
  readonly leaderEpoch: number
  /** The preferred leader first; during a move, those that are being added and removed among them. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Replicas out of sync that have all that was acknowledged, and may lead when nobody in sync is left (KIP-966). */
  readonly elr: readonly number[]
  /** Replicas on brokers that the controller does not hear. */
  readonly offlineReplicas: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
  /** How many must be in sync for `acks: 'all'` to be accepted: `min.insync.replicas` of the topic, for this partition. */
  readonly minInsyncReplicas: number
  /** `null` when the leader could not be asked, or was not. */
  readonly logStartOffset: number | null
  /** Exclusive; `null` when the leader could not be asked, or was not. */
  readonly highWatermark: number | null
  /** How far each replica is, as the leader knows it; `null` when it could not be asked, or was not. */
  readonly replicaStates: readonly ReplicaDescription[] | null
}

export interface ReplicaDescription {
  readonly nodeId: number
  /** End of what it has acknowledged (exclusive); `null`: nothing yet to this leader. */
  readonly endOffset: number | null
  /** Records behind the leader's end; `null` when that is not known. */
  readonly lag: number | null
  readonly isInSync: boolean
  /** Since it last had everything; `null`: never yet under this leader. */
  readonly caughtUpAgoMs: number | null
}

export interface PartitionReplicas extends TopicPartition {
  readonly leaderEpoch: number
  readonly logStartOffset: number
  /** End of what is committed (exclusive). */
  readonly highWatermark: number
  /** End of the leader's log (exclusive). */
  readonly logEndOffset: number
  /** All replicas, the leader among them. */
  readonly replicas: readonly ReplicaDescription[]
}

export interface ElectedLeader extends TopicPartition {
  /** False: it has the leader it should have. */
  readonly isElected: boolean
  /** Who leads now; `null` when nothing was changed. */
  readonly leader: number | null
}

export interface NewReassignment extends TopicPartition {
  /** Replicas in the end, the preferred leader first; `null` gives up the move that is under way. */
  readonly replicas: readonly number[] | null
}

/** A move that is under way. */
export interface PartitionReassignment extends TopicPartition {
  /** All replicas as they are now. */
  readonly replicas: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
}

export interface DescribeTopicsRequest {
  /** By default all that are not internal. */
  readonly topics?: readonly string[] | undefined
  /** Asks the leaders for the offsets of their partitions. Default true; false spares a request to every leader. */
  readonly includeOffsets?: boolean | undefined
  /** Asks the leaders how far each replica is. Default false. */
  readonly includeReplicas?: boolean | undefined
}

export interface TopicDescription {
  readonly name: string
  readonly topicId: string | null
  readonly partitions: readonly PartitionDescription[]
  /** Configs set on the topic itself. */
  readonly configs: Readonly<Record<string, string | null>>
}

export interface ConfigResource {
  readonly type: 'topic' | 'broker'
  /** Topic name, or node id as text. */
  readonly name: string
}

export interface ConfigChange {
  readonly op: 'set' | 'delete'
  readonly key: string
  /** For `set`. */
  readonly value?: string | number | boolean | undefined
}

export type ConfigDescription = ResponseOf<typeof describeConfigs>['resources'][number]['configs'][number]
export type ClusterDescription = ResponseOf<typeof describeCluster>
export type QuorumDescription = ResponseOf<typeof describeQuorum>

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export interface FoundPartitionOffset extends PartitionOffset {
  readonly timestamp: number
  readonly leaderEpoch: number
}
