/** A node as `/metrics` sees it: plain numbers, taken at each scrape. */
import type { ClusterView, PartitionView } from '../http/index.ts'
import type { MetadataImage } from '../metadata/image.ts'
import type { Node } from './node.ts'

export function* partitionViews({ broker }: Node): Iterable<PartitionView> {
  for (const partition of broker.partitions.all()) {
    const { id, log, leading, isUnderMinIsr, highWatermark } = partition
    const followers = leading === null ? [] : [...leading.replica.followers.values()]
    // One that has not said where it is may have nothing.
    const behind = followers.map(({ matchEnd }) => log.logEndOffset - (matchEnd ?? log.logStartOffset))
    yield {
      topic: id.topic,
      partition: id.partition,
      isLeader: leading !== null,
      isUnderMinIsr,
      replicas: followers.length + 1,
      inSyncReplicas: leading?.replica.isr.length ?? 0,
      replicaLagRecords: Math.max(0, ...behind),
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
      highWatermark,
      sizeBytes: log.sizeBytes,
      segments: log.segmentCount,
    }
  }
}

export function clusterView({ topics, brokers }: MetadataImage): ClusterView {
  let offlinePartitions = 0
  for (const { partitions } of topics.byId.values()) {
    for (const { leaderId } of partitions) if (leaderId === null) offlinePartitions++
  }
  const fenced = [...brokers.values()].filter(({ isFenced, isUnfit }) => isFenced || isUnfit)
  return { offlinePartitions, brokers: brokers.size, fencedBrokers: fenced.length }
}
