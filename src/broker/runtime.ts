/** What every handler works with: the parts of one broker, and the ports it was given. */
import type { MetadataSource } from '../metadata/image.ts'
import type { Codecs } from '../protocol/batch/types.ts'
import type { Authorizer } from '../transport/handler.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import type { Deadlines } from './deadlines.ts'
import type { FetchMemory } from './fetch-memory.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import type { ControllerChannel } from './ports.ts'
import type { ReplicationSettings } from './replication/settings.ts'
import type { BrokerRules } from './rules.ts'
import type { BrokerStats } from './stats.ts'

export interface BrokerSettings {
  readonly replication: ReplicationSettings
  readonly autoCreateTopics: boolean
  /** Upper limit of `maxBytes` of any fetch. */
  readonly fetchBytesMax: number
  /** Upper limit of `maxWaitMs` of any fetch. */
  readonly fetchWaitMsMax: number
  /** Bytes of records that all fetch answers of this node may hold at once. */
  readonly fetchMemoryBytesMax: number
  readonly retentionCheckIntervalMs: number
}

/** One effective setting of this broker, for `DescribeConfigs`. */
export interface BrokerConfigEntry {
  readonly key: string
  /** `null` when it is secret. */
  readonly value: string | null
  readonly source: 'broker-dynamic' | 'broker-static' | 'default'
  readonly isReadOnly: boolean
  readonly doc: string
}

export interface BrokerRuntime {
  readonly nodeId: NodeId
  /** Of this process; the one it registers with. */
  readonly incarnationId: string
  readonly clusterId: string
  readonly settings: BrokerSettings
  /** Broker-wide defaults of topic configs, by the broker's keys. */
  readonly topicDefaults: ReadonlyMap<string, string>
  /** The whole configuration of this node, sorted by key. */
  readonly describeConfig: () => readonly BrokerConfigEntry[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly codecs: Codecs
  readonly authorizer: Authorizer
  readonly metadata: MetadataSource
  readonly controller: ControllerChannel
  /** The active controller as this node knows it. */
  readonly controllerId: () => NodeId | null
  readonly partitions: PartitionRegistry
  readonly deadlines: Deadlines
  readonly fetchMemory: FetchMemory
  readonly stats: BrokerStats
  readonly rules: BrokerRules
  /** Others are about to lead what this node leads: what nobody waits for here yet is for them. */
  readonly isHandingOver: () => boolean
  /** The node is about to stop: what is asked is answered, but nothing waits any more. */
  readonly isDraining: () => boolean
}
