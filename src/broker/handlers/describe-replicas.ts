/** DescribeReplicas: how far each replica of a partition has come, as its leader knows it. */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { describeReplicas } from '../../protocol/apis/index.ts'
import { errorCode, type Failure, isFailure, noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { Leading } from '../leading.ts'
import type { BrokerRuntime } from '../runtime.ts'

type PartitionRequest = RequestOf<typeof describeReplicas>['partitions'][number]
type PartitionResponse = ResponseOf<typeof describeReplicas>['partitions'][number]

export function describeReplicasHandler(broker: BrokerRuntime): Handler {
  return defineHandler(describeReplicas, (request, context) => ({
    partitions: request.partitions.map(item => describeOne(broker, context, item)),
  }))
}

function describeOne(broker: BrokerRuntime, context: RequestContext, item: PartitionRequest): PartitionResponse {
  const place = { topic: item.topic, partition: item.partition }
  const leading = leadingOf(broker, context, item)
  if (isFailure(leading)) {
    return {
      ...place,
      errorCode: errorCode(leading.error),
      errorMessage: leading.message,
      leaderEpoch: -1,
      logStartOffset: -1,
      highWatermark: -1,
      logEndOffset: -1,
      replicas: [],
    }
  }
  const { log, replica } = leading
  const { logStartOffset, logEndOffset } = log
  return {
    ...place,
    errorCode: noError,
    errorMessage: null,
    leaderEpoch: replica.leaderEpoch,
    logStartOffset,
    highWatermark: replica.highWatermark,
    logEndOffset,
    replicas: replicasOf(leading, broker.clock.nowMs()),
  }
}

function leadingOf(broker: BrokerRuntime, context: RequestContext, item: PartitionRequest): Leading | Failure {
  if (!broker.authorizer.isAllowed(context, 'describe', { kind: 'topic', name: item.topic })) {
    return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised to describe ${item.topic}.` }
  }
  const partition = broker.partitions.find(item.topic, item.topicId, item.partition, -1)
  if (isFailure(partition)) return partition
  return partition.leading ?? { error: 'NOT_LEADER_OR_FOLLOWER', message: 'It is not led here any more.' }
}

function replicasOf({ log, replica }: Leading, nowMs: number): PartitionResponse['replicas'] {
  const own = { nodeId: replica.localId, endOffset: log.durableEndOffset, isInSync: true, caughtUpAgoMs: 0 }
  const followers = [...replica.followers.values()].map(({ nodeId, matchEnd, caughtUpMs, hasCaughtUp }) => {
    const hasEverything = matchEnd !== null && matchEnd >= log.logEndOffset
    const sinceMs = hasCaughtUp ? Math.round(nowMs - caughtUpMs) : -1
    return {
      nodeId,
      endOffset: matchEnd ?? -1,
      isInSync: replica.isr.includes(nodeId),
      caughtUpAgoMs: hasEverything ? 0 : sinceMs,
    }
  })
  return [own, ...followers]
}
