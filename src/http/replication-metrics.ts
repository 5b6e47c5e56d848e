/** Replicas: which are in sync, how far the others are behind, what leaders and followers send each other. */
import type { Registry } from 'prom-client'
import type { BrokerStats } from '../broker/stats.ts'
import { registerMetric, type Sample } from './metric.ts'
import type { ClusterView, PartitionView, ReplicationView } from './metrics-sources.ts'
import { partitionSeries } from './partition-series.ts'

export function registerReplicationCounters(registry: Registry, read: () => BrokerStats): void {
  const counter = (name: string, help: string, value: (stats: BrokerStats) => number): void =>
    registerMetric(registry, { name, help, type: 'counter', read: () => value(read()) })
  counter(
    'millrace_isr_shrinks_total',
    'Times a replica left the in-sync set of a partition led here.',
    stats => stats.isrShrinks,
  )
  counter(
    'millrace_isr_expands_total',
    'Times a replica joined the in-sync set of a partition led here.',
    stats => stats.isrExpands,
  )
  counter(
    'millrace_replication_requests_sent_total',
    'AppendEntries sent to followers, each for many partitions.',
    stats => stats.appendRequests,
  )
  counter(
    'millrace_replication_sent_bytes_total',
    'Bytes of record batches sent to followers.',
    stats => stats.appendBytesOut,
  )
  counter(
    'millrace_replication_received_bytes_total',
    'Bytes of record batches that leaders elsewhere sent here.',
    stats => stats.appendBytesIn,
  )
}

/** What is on its way, and who is behind. */
export function registerReplicationMetrics(registry: Registry, read: () => ReplicationView): void {
  const gauge = (name: string, help: string, value: (view: ReplicationView) => number): void =>
    registerMetric(registry, { name, help, type: 'gauge', read: () => value(read()) })
  gauge('millrace_failed_partitions', 'Partitions here that the disk failed.', view => view.failed)
  gauge(
    'millrace_replication_in_flight_bytes',
    'Bytes sent to followers and not acknowledged.',
    view => view.inFlightBytes,
  )
  registerMetric(registry, {
    name: 'millrace_follower_lag_records',
    help: 'Records that a follower lacks of the partition it is furthest behind with.',
    type: 'gauge',
    read: (): Sample[] => [...read().lagMax].map(([follower, value]) => ({ labels: { follower }, value })),
  })
}

/** Of the partitions led here; only their leader knows how far the others are. */
export function registerReplicaMetrics(
  registry: Registry,
  read: () => readonly PartitionView[],
  seriesMax: number,
): void {
  const led = (): PartitionView[] => read().filter(({ isLeader }) => isLeader)
  const each = partitionSeries(registry, led, seriesMax)
  registerMetric(registry, {
    name: 'millrace_under_replicated_partitions',
    help: 'Led partitions with a replica that is not in sync.',
    type: 'gauge',
    read: () => led().filter(({ inSyncReplicas, replicas }) => inSyncReplicas < replicas).length,
  })
  registerMetric(registry, {
    name: 'millrace_replica_lag_records_max',
    help: 'Records that the slowest replica of any led partition is behind.',
    type: 'gauge',
    read: () => led().reduce((most, { replicaLagRecords }) => Math.max(most, replicaLagRecords), 0),
  })
  each('millrace_partition_replicas', 'Replicas of the partition, by its leader.', p => p.replicas)
  each('millrace_partition_in_sync_replicas', 'Those in sync, by its leader.', p => p.inSyncReplicas)
  each('millrace_partition_replica_lag_records', 'Records that the slowest replica is behind, by its leader.', p => {
    return p.replicaLagRecords
  })
}

/** What this node knows of the whole cluster: every node says the same, or soon will. */
export function registerClusterMetrics(registry: Registry, read: () => ClusterView): void {
  const gauge = (name: string, help: string, value: (cluster: ClusterView) => number): void =>
    registerMetric(registry, { name, help, type: 'gauge', read: () => value(read()) })
  gauge(
    'millrace_offline_partitions',
    'Partitions of the cluster without a leader.',
    cluster => cluster.offlinePartitions,
  )
  gauge('millrace_cluster_brokers', 'Brokers registered in the cluster.', cluster => cluster.brokers)
  gauge(
    'millrace_cluster_fenced_brokers',
    'Those that are fenced: not heard of, or not fit.',
    cluster => cluster.fencedBrokers,
  )
}
