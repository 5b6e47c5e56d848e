/**
 * `/metrics`, Prometheus text through prom-client with a registry of our own. Every scrape first takes one look at each
 * source, so that all series of a scrape belong together and a source that hands over samples is asked once.
 */
import { Registry } from 'prom-client'
import { registerHttpMetrics } from './http-metrics.ts'
import type { HttpStats } from './http-stats.ts'
import type { MetricsSources, PartitionView } from './metrics-sources.ts'
import { registerPeerMetrics } from './peer-metrics.ts'
import { registerProcessMetrics } from './process-metrics.ts'
import { registerQuorumMetrics } from './quorum-metrics.ts'
import {
  registerClusterMetrics,
  registerReplicaMetrics,
  registerReplicationCounters,
  registerReplicationMetrics,
} from './replication-metrics.ts'
import type { Route } from './router.ts'
import { registerBrokerMetrics, registerLogMetrics, registerPartitionMetrics } from './storage-metrics.ts'
import { registerPortMetrics, registerTransportMetrics } from './transport-metrics.ts'

export interface Metrics {
  readonly route: Route
  /** Stops measuring the event loop. */
  close(): void
}

export function openMetrics(sources: MetricsSources, http: HttpStats): Metrics {
  const registry = new Registry()
  const looks: Array<() => void> = []
  /** The source as it was at the beginning of the scrape. */
  const once = <T>(source: () => T): (() => T) => {
    let seen: T
    looks.push(() => {
      seen = source()
    })
    return () => seen
  }
  const close = registerProcessMetrics(registry, sources.version, sources.nodeId)
  registerHttpMetrics(registry, http)
  if (sources.transport !== undefined) {
    registerTransportMetrics(registry, once(sources.transport), sources.latencyBucketsMs ?? [])
  }
  if (sources.port !== undefined) registerPortMetrics(registry, once(sources.port))
  if (sources.log !== undefined) looks.push(registerLogMetrics(registry, once(sources.log)))
  if (sources.broker !== undefined) {
    const read = once(sources.broker)
    registerBrokerMetrics(registry, read)
    registerReplicationCounters(registry, read)
  }
  if (sources.replication !== undefined) registerReplicationMetrics(registry, once(sources.replication))
  if (sources.quorum !== undefined) registerQuorumMetrics(registry, once(sources.quorum))
  if (sources.peers !== undefined) registerPeerMetrics(registry, once(sources.peers))
  const { partitions } = sources
  if (partitions !== undefined) {
    const read = once((): readonly PartitionView[] => [...partitions()])
    registerPartitionMetrics(registry, read, sources.partitionSeriesMax)
    registerReplicaMetrics(registry, read, sources.partitionSeriesMax)
  }
  if (sources.cluster !== undefined) registerClusterMetrics(registry, once(sources.cluster))
  return {
    route: async () => {
      for (const look of looks) look()
      return { status: 200, contentType: registry.contentType, body: await registry.metrics() }
    },
    close,
  }
}
