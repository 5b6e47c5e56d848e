/** The log, its partitions, and what the broker does with them. */
import type { Registry } from 'prom-client'
import type { BrokerStats } from '../broker/stats.ts'
import { registerHistogram, registerMetric } from './metric.ts'
import type { LogView, PartitionView } from './metrics-sources.ts'
import { partitionSeries } from './partition-series.ts'

const syncBucketsMs = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000]

export function registerLogMetrics(registry: Registry, read: () => LogView): () => void {
  const metric = (type: 'counter' | 'gauge', name: string, help: string, value: (log: LogView) => number): void =>
    registerMetric(registry, { name, help, type, read: () => value(read()) })
  metric('counter', 'millrace_log_appended_bytes_total', 'Bytes appended to partition logs.', log => log.bytesAppended)
  metric('counter', 'millrace_log_writes_total', 'Gathered writes to segments.', log => log.writes)
  metric('counter', 'millrace_log_syncs_total', 'fdatasync calls on segments.', log => log.syncs)
  metric(
    'gauge',
    'millrace_log_oldest_sync_seconds',
    'Age of the oldest sync under way; a stalled disk shows here.',
    log => log.oldestSyncMs / 1000,
  )
  metric('gauge', 'millrace_log_disk_full', '1 while appends are refused because the disk is full.', log =>
    log.isDiskFull ? 1 : 0,
  )
  metric('gauge', 'millrace_log_pending_bytes', 'Bytes appended and not yet written.', log => log.pendingBytes)
  metric('gauge', 'millrace_log_tail_cache_bytes', 'Bytes of the tail cache in use.', log => log.tailCacheBytes)
  metric('counter', 'millrace_log_tail_cache_hits_total', 'Reads served from the tail cache.', log => log.tailCacheHits)
  metric('counter', 'millrace_log_tail_cache_misses_total', 'Reads that went to a file.', log => log.tailCacheMisses)
  metric('gauge', 'millrace_log_open_files', 'Open segment and index files.', log => log.openFiles)
  const counts = new Float64Array(syncBucketsMs.length + 1)
  let sumMs = 0
  registerHistogram(registry, {
    name: 'millrace_log_sync_duration_seconds',
    help: 'Time of one fdatasync; a sample, at most the last 1024 before each scrape.',
    bounds: syncBucketsMs.map(ms => ms / 1000),
    read: () => [{ labels: {}, counts, sum: sumMs / 1000 }],
  })
  return () => {
    for (const ms of read().syncMsSamples) {
      let bucket = 0
      while (bucket < syncBucketsMs.length && ms > syncBucketsMs[bucket]!) bucket++
      counts[bucket]!++
      sumMs += ms
    }
  }
}

export function registerBrokerMetrics(registry: Registry, read: () => BrokerStats): void {
  const counter = (name: string, help: string, value: (stats: BrokerStats) => number): void =>
    registerMetric(registry, { name, help, type: 'counter', read: () => value(read()) })
  counter('millrace_records_produced_total', 'Records accepted.', stats => stats.recordsIn)
  counter('millrace_batches_produced_total', 'Record batches accepted.', stats => stats.batchesIn)
  counter('millrace_produced_bytes_total', 'Bytes of record batches accepted.', stats => stats.bytesIn)
  counter(
    'millrace_produce_failures_total',
    'Partitions of produce requests refused or failed.',
    stats => stats.produceFailures,
  )
  counter('millrace_produce_timeouts_total', 'Produce requests whose time ran out.', stats => stats.producesExpired)
  counter('millrace_fetched_bytes_total', 'Bytes of record batches handed to consumers.', stats => stats.bytesOut)
  counter(
    'millrace_fetch_failures_total',
    'Partitions of fetch requests answered with an error.',
    stats => stats.fetchFailures,
  )
  counter('millrace_fetches_delayed_total', 'Fetches that had to wait for records.', stats => stats.fetchesDelayed)
  counter('millrace_log_segments_deleted_total', 'Segments deleted by retention.', stats => stats.segmentsDeleted)
  counter('millrace_log_deleted_bytes_total', 'Bytes deleted by retention.', stats => stats.bytesDeleted)
}

/** Series of single partitions, up to `seriesMax` of them; the totals are always there. */
export function registerPartitionMetrics(
  registry: Registry,
  read: () => readonly PartitionView[],
  seriesMax: number,
): void {
  const total = (name: string, help: string, value: (partitions: readonly PartitionView[]) => number): void =>
    registerMetric(registry, { name, help, type: 'gauge', read: () => value(read()) })
  const each = partitionSeries(registry, read, seriesMax)
  const count = (partitions: readonly PartitionView[], is: (partition: PartitionView) => boolean): number =>
    partitions.reduce((n, partition) => n + (is(partition) ? 1 : 0), 0)
  total('millrace_partitions', 'Partitions with a replica here.', all => all.length)
  total('millrace_leader_partitions', 'Partitions led by this node.', all => count(all, p => p.isLeader))
  total('millrace_under_min_isr_partitions', 'Led partitions below min.insync.replicas.', all =>
    count(all, p => p.isLeader && p.isUnderMinIsr),
  )
  total('millrace_log_size_bytes', 'Bytes of all partition logs here.', all =>
    all.reduce((sum, p) => sum + p.sizeBytes, 0),
  )
  total('millrace_partition_series_omitted', 'Partitions left out of the series below, for their number.', all =>
    Math.max(0, all.length - seriesMax),
  )
  each('millrace_partition_log_start_offset', 'First offset of the log.', p => p.logStartOffset)
  each('millrace_partition_log_end_offset', 'End of the log (exclusive).', p => p.logEndOffset)
  each('millrace_partition_high_watermark', 'End of what consumers may read (exclusive).', p => p.highWatermark)
  each('millrace_partition_size_bytes', 'Bytes of the log.', p => p.sizeBytes)
  each('millrace_partition_segments', 'Segments of the log.', p => p.segments)
}
