/** What one node is told, already in its own words: no file, no environment, no text to parse. */
import type { BrokerConfigEntry, BrokerSettings } from '../broker/runtime.ts'
import type { ControllerOptions } from '../controller/options.ts'
import type { TopicDefaults } from '../metadata/decision.ts'
import type { PeerTiming } from '../quorum/network/types.ts'
import type { QuorumTiming, SnapshotPolicy } from '../quorum/options.ts'
import type { TransportLimits } from '../transport/limits.ts'
import type { NodeId } from '../util/numbers.ts'

export interface LogManagerSettings {
  readonly tailCacheBytesMax: number
  readonly readAheadBytesMax: number
  readonly openFilesMax: number
  readonly syncsInFlightMax: number
  readonly unflushedBytesMax: number
  /** Appends are refused when less is free, … */
  readonly reserveBytes?: number
  /** … which is looked at so often. */
  readonly spaceCheckIntervalMs?: number
}

export interface NodeSettings {
  readonly nodeId: NodeId
  /** Keeps records. Without it the node has no partitions, and answers what is asked about the cluster. */
  readonly isBroker: boolean
  /** The first voters and their addresses for other nodes; empty: this node alone. */
  readonly voters: ReadonlyMap<NodeId, string>
  readonly rack: string | null
  /** The cluster this node's data belong to; `null` before its first start. */
  readonly clusterId: string | null
  readonly logs: LogManagerSettings
  readonly broker: BrokerSettings
  readonly transport: Partial<TransportLimits>
  readonly peerTiming: Partial<PeerTiming>
  readonly quorumTiming: Partial<QuorumTiming>
  readonly quorumSnapshots: Partial<SnapshotPolicy>
  readonly topicCreation: TopicDefaults
  /** Broker-wide defaults of topic configs, by the broker's keys. */
  readonly topicDefaults: ReadonlyMap<string, string>
  readonly describeConfig: () => readonly BrokerConfigEntry[]
  readonly validateBrokerConfig: NonNullable<ControllerOptions['validateBrokerConfig']>
  readonly brokerSessionTimeoutMs: number
  readonly brokerGoneGraceMs: number
  readonly brokerHeartbeatIntervalMs: number
  /** How often preferred leaders are given back what they should lead; `null`: never. */
  readonly leaderBalanceIntervalMs: number | null
  readonly controllerRequestTimeoutMs: number
  /** How long a stop waits for others: leaderships to move, requests under way to be answered. */
  readonly shutdownGraceMs: number
}
