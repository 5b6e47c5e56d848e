/**
 * What decisions have in common. A decision is a function of the image, the request and facts the controller supplies;
 * it changes nothing. Its records, replayed on that very image, make true what its response says.
 */
import { errorCode, type Failure, isFailure, noError } from '../protocol/errors.ts'
import type { ClusterImage } from './cluster-image.ts'
import type { ElectionTerms } from './election.ts'
import type { PartitionImage, TopicImage } from './image.ts'
import type { MetadataRecord } from './record-types.ts'

export interface Decision<Response> {
  readonly records: readonly MetadataRecord[]
  readonly response: Response
}

/** What a topic gets that does not say otherwise. */
export interface TopicDefaults extends ElectionTerms {
  readonly numPartitions: number
  readonly replicationFactor: number
}

/** Bounds of the cluster's metadata: everything here is in the memory of every node. All inclusive. */
export interface MetadataLimits {
  /** Partitions that one request may create. */
  readonly requestPartitionsMax: number
  readonly clusterPartitionsMax: number
  readonly brokersMax: number
  /** Replicas of a partition. */
  readonly replicationFactorMax: number
  /** Clients whose last answer is remembered. */
  readonly sessionsMax: number
  /** Of all remembered answers together. The newest is remembered even if it alone is larger. */
  readonly sessionBytesMax: number
}

export const defaultLimits: MetadataLimits = {
  requestPartitionsMax: 10_000,
  clusterPartitionsMax: 200_000,
  brokersMax: 1_000,
  // More would not make records safer, and every one of them takes every record.
  replicationFactorMax: 15,
  sessionsMax: 1_000,
  sessionBytesMax: 16 * 1024 * 1024,
}

/** What deciding about topics needs beside the image. */
export interface TopicFacts {
  readonly defaults: TopicDefaults
  readonly limits: MetadataLimits
  /** A random integer from 0: where placement begins. */
  readonly placementStart: number
  /** A fresh random id for each topic of the request. */
  readonly topicIds: readonly string[]
}

/** The two fields by which every item of a response says how it went. */
export interface ItemOutcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const itemDone: ItemOutcome = { errorCode: noError, errorMessage: null }

export function itemFailed(failure: Failure): ItemOutcome {
  return { errorCode: errorCode(failure.error), errorMessage: failure.message }
}

/** Values that stand more than once in `values`. */
export function duplicatesIn<T>(values: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>()
  const duplicates = new Set<T>()
  for (const value of values) {
    if (seen.has(value)) duplicates.add(value)
    seen.add(value)
  }
  return duplicates
}

/** The partition of that number of the topic of that name. */
export function findPartition(
  image: ClusterImage,
  { topic: name, partition: number }: { readonly topic: string; readonly partition: number },
): { readonly topic: TopicImage; readonly partition: PartitionImage } | Failure {
  const topic = findTopic(image, name, null)
  if (isFailure(topic)) return topic
  const partition = topic.partitions[number]
  if (partition !== undefined) return { topic, partition }
  return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `Topic ${name} has ${topic.partitions.length} partitions.` }
}

/** The topic of that name; `id`, when given, must be its id. */
export function findTopic(image: ClusterImage, name: string, id: string | null): TopicImage | Failure {
  const topic = image.topics.byName.get(name)
  if (topic === undefined) return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `There is no topic ${name}.` }
  if (id !== null && topic.id !== id) {
    return { error: 'UNKNOWN_TOPIC_ID', message: `Topic ${name} has the id ${topic.id} now, not ${id}.` }
  }
  return topic
}
