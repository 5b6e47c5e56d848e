/**
 * Where `/metrics` takes its numbers from. The shapes are those of the rooms' own counters (transport, log, quorum and
 * broker), written out here because this room may not depend on them; the composition root hands the objects in.
 */
import type { BrokerStats } from '../broker/stats.ts'

export interface ApiView {
  readonly name: string
  readonly requests: number
  readonly errors: number
  readonly errorsByName: ReadonlyMap<string, number>
  readonly bytesIn: number
  readonly bytesOut: number
  readonly latencyMsSum: number
  readonly latencyCounts: ArrayLike<number>
}

export interface TransportView {
  readonly connections: number
  readonly connectionsAccepted: number
  readonly closedBy: Readonly<Record<string, number>>
  readonly bytesIn: number
  readonly bytesOut: number
  readonly inFlightRequests: number
  readonly inFlightBytes: number
  readonly pauses: Readonly<Record<string, number>>
  readonly apis: ReadonlyMap<number, ApiView>
  readonly unsupportedRequests: number
}

export interface PortView {
  readonly tcpConnections: number
  readonly refused: Readonly<Record<string, number>>
}

export interface LogView {
  readonly bytesAppended: number
  readonly writes: number
  readonly syncs: number
  /** Durations of the syncs since the last call. */
  readonly syncMsSamples: readonly number[]
  readonly oldestSyncMs: number
  readonly isDiskFull: boolean
  readonly tailCacheBytes: number
  readonly tailCacheHits: number
  readonly tailCacheMisses: number
  readonly openFiles: number
  readonly pendingBytes: number
}

export interface QuorumView {
  readonly role: string
  readonly term: number
  readonly leaderId: number | null
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly logEndIndex: number
  readonly snapshotIndex: number
  readonly voters: readonly unknown[]
}

export interface PeersView {
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly messagesDropped: number
  readonly framesSent: number
  /** Level. */
  readonly unreached: number
}

export interface ReplicationView {
  readonly failed: number
  /** By follower. */
  readonly lagMax: ReadonlyMap<number, number>
  readonly inFlightBytes: number
}

export interface PartitionView {
  readonly topic: string
  readonly partition: number
  readonly isLeader: boolean
  readonly isUnderMinIsr: boolean
  /** Of the leader: replicas there are, itself among them, and those in sync. */
  readonly replicas: number
  readonly inSyncReplicas: number
  /** Of the leader: records that its slowest follower is behind. */
  readonly replicaLagRecords: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly sizeBytes: number
  readonly segments: number
}

export interface ClusterView {
  readonly offlinePartitions: number
  readonly brokers: number
  readonly fencedBrokers: number
}

export interface MetricsSources {
  readonly version: string
  readonly nodeId: number
  readonly transport?: () => TransportView
  /** Upper bounds of the latency buckets of `transport`, in milliseconds. */
  readonly latencyBucketsMs?: readonly number[]
  readonly port?: () => PortView
  /** Called once per scrape: it hands over the samples since the last call. */
  readonly log?: () => LogView
  readonly broker?: () => BrokerStats
  readonly quorum?: () => QuorumView | null
  readonly peers?: () => PeersView
  readonly replication?: () => ReplicationView
  readonly partitions?: () => Iterable<PartitionView>
  readonly cluster?: () => ClusterView
  /** Partitions that get series of their own; the rest is only counted. 0: none. */
  readonly partitionSeriesMax: number
}
