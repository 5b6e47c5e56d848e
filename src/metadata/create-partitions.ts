/** Decides CreatePartitions: the new partitions of a topic go on with the spread of those it has. */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { createPartitions } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import type { NodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { validatePartitionRoom } from './create-topics.ts'
import {
  type Decision,
  duplicatesIn,
  findTopic,
  itemDone,
  itemFailed,
  type MetadataLimits,
  type TopicFacts,
} from './decision.ts'
import type { TopicImage } from './image.ts'
import { availableBrokers, isAvailable, newPartition, placementStartOf, placeReplicas } from './placement.ts'
import type { MetadataRecord } from './record-types.ts'
import { validateAssignments, validateReplicationFactor } from './replica-request.ts'

type Request = RequestOf<typeof createPartitions>
type Response = ResponseOf<typeof createPartitions>
type TopicRequest = Request['topics'][number]

export function decideCreatePartitions(
  image: ClusterImage,
  request: Request,
  facts: Omit<TopicFacts, 'topicIds'>,
): Decision<Response> {
  const records: MetadataRecord[] = []
  const duplicates = duplicatesIn(request.topics.map(topic => topic.name))
  const ring = availableBrokers(image)
  const isUsable = (id: NodeId): boolean => isAvailable(image.brokers.get(id)!)
  let created = 0
  const topics = request.topics.map((wanted): Response['topics'][number] => {
    const { name, count, assignments } = wanted
    if (duplicates.has(name)) {
      const message = `The request names topic ${name} more than once.`
      return { name, ...itemFailed({ error: 'INVALID_REQUEST', message }) }
    }
    const topic = findTopic(image, name, null)
    if (isFailure(topic)) return { name, ...itemFailed(topic) }
    const existing = topic.partitions.length
    const fault =
      validateGrowth(image, topic, wanted, ring.length, facts.limits) ??
      validatePartitionRoom(image, created + count - existing, facts.limits)
    if (fault !== null) return { name, ...itemFailed(fault) }
    created += count - existing
    const start = placementStartOf(ring, topic.partitions, facts.placementStart)
    for (let partition = existing; partition < count; partition++) {
      const assigned = assignments?.[partition - existing] as NodeId[] | undefined
      const replicas = assigned ?? placeReplicas(ring, start, partition, replicationFactorOf(topic))
      records.push(newPartition(topic.id, partition, replicas, isUsable))
    }
    return { name, ...itemDone }
  })
  return { records: request.validateOnly ? [] : records, response: { topics } }
}

function validateGrowth(
  image: ClusterImage,
  topic: TopicImage,
  { count, assignments }: TopicRequest,
  available: number,
  limits: MetadataLimits,
): Failure | null {
  const existing = topic.partitions.length
  if (count <= existing) {
    const message = `Topic ${topic.name} has ${existing} partitions already; ${count} would not be more.`
    return { error: 'INVALID_PARTITIONS', message }
  }
  if (assignments === null) return validateReplicationFactor(image, replicationFactorOf(topic), available, limits)
  if (assignments.length !== count - existing) {
    const message = `${count - existing} new partitions, but replicas for ${assignments.length}.`
    return { error: 'INVALID_REPLICA_ASSIGNMENT', message }
  }
  return validateAssignments(image, assignments, replicationFactorOf(topic), limits)
}

/** A reassignment adds replicas before it removes others; those on their way out do not count. */
function replicationFactorOf({ partitions }: TopicImage): number {
  const first = partitions[0]!
  return first.replicas.length - first.removingReplicas.length
}
