/** Metadata: brokers, topics and leaders as committed and seen here; creates missing topics where that is switched on. */

import type { MetadataImage, PartitionImage, TopicImage } from '../../metadata/image.ts'
import { validateTopicName } from '../../metadata/topic-name.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { createTopics, metadata } from '../../protocol/apis/index.ts'
import { errorCode, noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { imageFor } from './image-for.ts'
import { partitionsSettled } from './topic-admin.ts'

type MetadataRequest = RequestOf<typeof metadata>
type MetadataResponse = ResponseOf<typeof metadata>
type TopicResponse = MetadataResponse['topics'][number]
type PartitionResponse = TopicResponse['partitions'][number]

/** How long a metadata request waits for topics it creates on the way. */
const autoCreateTimeoutMs = 10_000

export function metadataHandler(broker: BrokerRuntime): Handler {
  return defineHandler(metadata, async (request, context) => {
    await createMissing(broker, request, context)
    return describe(broker, await imageFor(broker, request), request, context)
  })
}

function describe(
  broker: BrokerRuntime,
  image: MetadataImage,
  request: MetadataRequest,
  context: RequestContext,
): MetadataResponse {
  const names = request.topics ?? [...image.topics.byName.keys()].sort()
  const topics: TopicResponse[] = []
  for (const name of names) {
    const isAllowed = broker.authorizer.isAllowed(context, 'describe', { kind: 'topic', name })
    // In a list of everything, what may not be seen is not there; asked for by name, it is refused without saying more.
    if (isAllowed) topics.push(describeTopic(image, name))
    else if (request.topics !== null) topics.push(missing(name, errorCode('TOPIC_AUTHORIZATION_FAILED')))
  }
  const brokers = [...image.brokers.values()].filter(({ isFenced }) => !isFenced)
  brokers.sort((a, b) => a.nodeId - b.nodeId)
  return {
    clusterId: broker.clusterId,
    controllerId: broker.controllerId() ?? -1,
    brokers: brokers.map(({ nodeId, url, rack }) => ({ nodeId, url, rack })),
    topics,
  }
}

function describeTopic(image: MetadataImage, name: string): TopicResponse {
  const topic = image.topics.byName.get(name)
  // A name that no topic can have will not appear either: the client need not ask again.
  if (topic === undefined)
    return missing(name, errorCode(validateTopicName(name)?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION'))
  const partitions = topic.partitions.map((partition, number) => describePartition(image, partition, number))
  return { errorCode: noError, name, topicId: topic.id, isInternal: isInternal(topic), partitions }
}

function describePartition(image: MetadataImage, partition: PartitionImage, number: number): PartitionResponse {
  const { leaderId, leaderEpoch, replicas, isr, elr, addingReplicas, removingReplicas } = partition
  const isAway = (id: NodeId): boolean => image.brokers.get(id)?.isFenced !== false
  return {
    errorCode: leaderId === null ? errorCode('LEADER_NOT_AVAILABLE') : noError,
    partition: number,
    leaderId: leaderId ?? -1,
    leaderEpoch,
    replicas: [...replicas],
    isr: [...isr],
    offlineReplicas: replicas.filter(id => isAway(id) || partition.offlineReplicas.includes(id)),
    elr: [...elr],
    addingReplicas: [...addingReplicas],
    removingReplicas: [...removingReplicas],
  }
}

function missing(name: string, code: number): TopicResponse {
  return { errorCode: code, name, topicId: null, isInternal: false, partitions: [] }
}

/** Kafka's convention for topics the cluster keeps for itself. */
function isInternal(topic: TopicImage): boolean {
  return topic.name.startsWith('__')
}

async function createMissing(broker: BrokerRuntime, request: MetadataRequest, context: RequestContext): Promise<void> {
  if (!broker.settings.autoCreateTopics || !request.allowAutoTopicCreation || request.topics === null) return
  const { byName } = broker.metadata.image().topics
  const names = [...new Set(request.topics)].filter(
    name => !byName.has(name) && broker.authorizer.isAllowed(context, 'create', { kind: 'topic', name }),
  )
  if (names.length === 0) return
  const startMs = broker.clock.nowMs()
  const topics = names.map(name => ({ name, numPartitions: -1, replicationFactor: -1, assignments: null, configs: [] }))
  try {
    await broker.controller.request(createTopics, {
      session: null,
      timeoutMs: autoCreateTimeoutMs,
      validateOnly: false,
      topics,
    })
    await partitionsSettled(broker, names, { startMs, timeoutMs: autoCreateTimeoutMs })
  } catch (error) {
    // The answer says UNKNOWN_TOPIC_OR_PARTITION, which makes the client ask again.
    broker.logger.warn({ topics: names, error }, 'topics could not be created on the way')
  }
}
