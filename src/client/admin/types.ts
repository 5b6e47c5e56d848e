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
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** `null` when the leader could not be asked. */
  readonly logStartOffset: number | null
  /** Exclusive; `null` when the leader could not be asked. */
  readonly highWatermark: number | null
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
