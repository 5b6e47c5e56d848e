/**
 * What differs between two images that are not one batch apart: after a snapshot was restored. Batches collect their
 * delta while they replay.
 */
import type { ClusterImage } from './cluster-image.ts'
import type { BrokerImage, MetadataDelta, PartitionImage, TopicImage } from './image.ts'

export function deltaBetween(before: ClusterImage, after: ClusterImage): MetadataDelta {
  const topics = changedKeys(before.topics.byId, after.topics.byId, isSameTopic)
  const isGone = (id: string): boolean => !after.topics.byId.has(id)
  return {
    changedTopicIds: new Set([...topics].filter(id => !isGone(id))),
    deletedTopicIds: new Set([...topics].filter(isGone)),
    changedBrokers: changedKeys(before.brokers, after.brokers, isSameBroker),
    changedBrokerConfigs: changedKeys(before.brokerConfigs, after.brokerConfigs, isSameConfigs),
  }
}

/** Keys of either map whose value is not in the other, or not the same. */
function changedKeys<K, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  isSame: (a: V, b: V) => boolean,
): Set<K> {
  const changed = new Set<K>()
  for (const [key, value] of after) {
    const old = before.get(key)
    if (old === undefined || (old !== value && !isSame(old, value))) changed.add(key)
  }
  for (const key of before.keys()) if (!after.has(key)) changed.add(key)
  return changed
}

function isSameTopic(a: TopicImage, b: TopicImage): boolean {
  return (
    a.name === b.name &&
    isSameConfigs(a.configs, b.configs) &&
    a.partitions.length === b.partitions.length &&
    a.partitions.every((partition, at) => isSamePartition(partition, b.partitions[at]!))
  )
}

/** Every change of a partition raises its epoch: within one topic id, equal epochs are equal partitions. */
function isSamePartition(a: PartitionImage, b: PartitionImage): boolean {
  return a.partitionEpoch === b.partitionEpoch
}

function isSameBroker(a: BrokerImage, b: BrokerImage): boolean {
  return a.epoch === b.epoch && a.isFenced === b.isFenced && a.isDraining === b.isDraining
}

function isSameConfigs(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
