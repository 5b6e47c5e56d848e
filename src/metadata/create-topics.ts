/** Decides CreateTopics: each topic is created whole or refused with its own error. */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { createTopics } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import type { NodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, itemDone, itemFailed, type TopicFacts } from './decision.ts'
import { availableBrokers, isAvailable, newPartition, placeReplicas } from './placement.ts'
import type { MetadataRecord } from './record-types.ts'
import { validateAssignments, validateReplicationFactor } from './replica-request.ts'
import { validateTopicConfig } from './topic-configs.ts'
import { collisionKey, validateTopicName } from './topic-name.ts'

type Request = RequestOf<typeof createTopics>
type Response = ResponseOf<typeof createTopics>
type TopicRequest = Request['topics'][number]

/** What earlier topics of the same request have taken. */
interface Taken {
  readonly duplicates: ReadonlySet<string>
  /** Name by collision key. */
  readonly byCollisionKey: Map<string, string>
  partitions: number
}

export function decideCreateTopics(image: ClusterImage, request: Request, facts: TopicFacts): Decision<Response> {
  const records: MetadataRecord[] = []
  const duplicates = duplicatesIn(request.topics.map(topic => topic.name))
  const taken: Taken = { duplicates, byCollisionKey: new Map(), partitions: 0 }
  const ring = availableBrokers(image)
  const isUsable = (id: NodeId): boolean => isAvailable(image.brokers.get(id)!)
  const topics = request.topics.map((topic, at): Response['topics'][number] => {
    const shape = validateTopic(image, topic, facts, taken, ring.length)
    if (isFailure(shape)) {
      return { name: topic.name, topicId: null, numPartitions: -1, replicationFactor: -1, ...itemFailed(shape) }
    }
    const topicId = facts.topicIds[at]!
    // One start after the other: the leaders of a request of many small topics are spread as those of one large one.
    const start = facts.placementStart + taken.partitions
    records.push({ kind: 'topic', topicId, name: topic.name })
    for (let partition = 0; partition < shape.numPartitions; partition++) {
      const assigned = topic.assignments?.[partition] as NodeId[] | undefined
      const replicas = assigned ?? placeReplicas(ring, start, partition, shape.replicationFactor)
      records.push(newPartition(topicId, partition, replicas, isUsable))
    }
    for (const { key, value } of topic.configs) {
      records.push({ kind: 'config', resourceType: 'topic', resource: topicId, key, value })
    }
    take(taken, topic.name, shape.numPartitions)
    return { name: topic.name, topicId: request.validateOnly ? null : topicId, ...shape, ...itemDone }
  })
  return { records: request.validateOnly ? [] : records, response: { topics } }
}

interface TopicShape {
  readonly numPartitions: number
  readonly replicationFactor: number
}

function validateTopic(
  image: ClusterImage,
  topic: TopicRequest,
  facts: TopicFacts,
  taken: Taken,
  available: number,
): TopicShape | Failure {
  const fault = validateName(image, topic.name, taken)
  if (fault !== null) return fault
  const shape =
    topic.assignments === null ? placedShape(image, topic, facts, available) : assignedShape(image, topic, facts)
  if (isFailure(shape)) return shape
  return validateRoom(image, shape.numPartitions, facts, taken) ?? validateConfigs(topic) ?? shape
}

function validateName(image: ClusterImage, name: string, taken: Taken): Failure | null {
  const fault = validateTopicName(name)
  if (fault !== null) return fault
  if (taken.duplicates.has(name)) {
    return { error: 'INVALID_REQUEST', message: `The request names topic ${name} more than once.` }
  }
  if (image.topics.byName.has(name)) return { error: 'TOPIC_ALREADY_EXISTS', message: `Topic ${name} already exists.` }
  const key = collisionKey(name)
  const other = key === null ? undefined : (image.topics.byCollisionKey.get(key) ?? taken.byCollisionKey.get(key))
  if (other === undefined) return null
  const message = `Topic ${name} collides with ${other}: "." and "_" are the same in the names of metrics.`
  return { error: 'INVALID_TOPIC_EXCEPTION', message }
}

function placedShape(
  image: ClusterImage,
  topic: TopicRequest,
  facts: TopicFacts,
  available: number,
): TopicShape | Failure {
  const numPartitions = topic.numPartitions === -1 ? facts.defaults.numPartitions : topic.numPartitions
  if (numPartitions < 1) {
    return {
      error: 'INVALID_PARTITIONS',
      message: 'The number of partitions must be 1 or more, or -1 for the default.',
    }
  }
  const replicationFactor = topic.replicationFactor === -1 ? facts.defaults.replicationFactor : topic.replicationFactor
  return (
    validateReplicationFactor(image, replicationFactor, available, facts.limits) ?? { numPartitions, replicationFactor }
  )
}

function assignedShape(image: ClusterImage, topic: TopicRequest, { limits }: TopicFacts): TopicShape | Failure {
  const assignments = topic.assignments!
  if (topic.numPartitions !== -1 || topic.replicationFactor !== -1) {
    const message = 'With assignments, the number of partitions and the replication factor must be -1.'
    return { error: 'INVALID_REQUEST', message }
  }
  if (assignments.length === 0) {
    return { error: 'INVALID_REPLICA_ASSIGNMENT', message: 'The assignments name no partition.' }
  }
  const fault = validateAssignments(image, assignments, null, limits)
  return fault ?? { numPartitions: assignments.length, replicationFactor: assignments[0]!.length }
}

function validateRoom(image: ClusterImage, count: number, { limits }: TopicFacts, taken: Taken): Failure | null {
  return validatePartitionRoom(image, taken.partitions + count, limits)
}

/** `null` when `count` more partitions, all those of one request, stay within the bounds of a request and a cluster. */
export function validatePartitionRoom(
  image: ClusterImage,
  count: number,
  limits: TopicFacts['limits'],
): Failure | null {
  const error = 'POLICY_VIOLATION'
  if (count > limits.requestPartitionsMax) {
    return { error, message: `One request may create ${limits.requestPartitionsMax} partitions at most.` }
  }
  if (image.topics.partitionCount + count <= limits.clusterPartitionsMax) return null
  return { error, message: `The cluster may have ${limits.clusterPartitionsMax} partitions at most.` }
}

function validateConfigs({ configs }: TopicRequest): Failure | null {
  for (const key of duplicatesIn(configs.map(config => config.key))) {
    return { error: 'INVALID_CONFIG', message: `Config ${key} is given more than once.` }
  }
  for (const { key, value } of configs) {
    const fault = validateTopicConfig(key, value)
    if (fault !== null) return fault
  }
  return null
}

function take(taken: Taken, name: string, partitions: number): void {
  taken.partitions += partitions
  const key = collisionKey(name)
  if (key !== null) taken.byCollisionKey.set(key, name)
}
