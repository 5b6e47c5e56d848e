/**
 * What differs between two images that are not one batch apart: after a snapshot was restored. Batches collect their
 * delta while they replay.
 */
import type { ClusterImage } from './cluster-image.ts'
import type { BrokerImage, MetadataDelta, PartitionImage, TopicImage } from './image.ts'

/** Keys compared between two pauses. */
const keysPerStep = 1024

export function deltaBetween(before: ClusterImage, after: ClusterImage): MetadataDelta {
  const steps = deltaSteps(before, after)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** The same with pauses for the caller: the images cannot change meanwhile. */
export function* deltaSteps(before: ClusterImage, after: ClusterImage): Generator<void, MetadataDelta> {
  const topics = yield* differences(before.topics.byId, after.topics.byId, isSameTopic)
  const brokers = yield* differences(before.brokers, after.brokers, isSameBroker)
  const brokerConfigs = yield* differences(before.brokerConfigs, after.brokerConfigs, isSameConfigs)
  return {
    changedTopicIds: topics.changed,
    deletedTopicIds: topics.deleted,
    changedBrokers: new Set([...brokers.changed, ...brokers.deleted]),
    changedBrokerConfigs: new Set([...brokerConfigs.changed, ...brokerConfigs.deleted]),
  }
}

/** Keys whose value is new or not the same, and keys that are not there any more. */
function* differences<K, V>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  isSame: (a: V, b: V) => boolean,
): Generator<void, { readonly changed: Set<K>; readonly deleted: Set<K> }> {
  const changed = new Set<K>()
  const deleted = new Set<K>()
  let seen = 0
  for (const [key, value] of after) {
    if (++seen % keysPerStep === 0) yield
    const old = before.get(key)
    if (old === undefined || (old !== value && !isSame(old, value))) changed.add(key)
  }
  for (const key of before.keys()) {
    if (++seen % keysPerStep === 0) yield
    if (!after.has(key)) deleted.add(key)
  }
  return { changed, deleted }
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
  const isSameState = a.isFenced === b.isFenced && a.isDraining === b.isDraining && a.isUnfit === b.isUnfit
  return a.epoch === b.epoch && isSameState
}

function isSameConfigs(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}
