/** ListOffsets: the start, the end, or the first record at or after a time; never above the high watermark. */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { listOffsets } from '../../protocol/apis/index.ts'
import { earliestTimestamp, latestTimestamp } from '../../protocol/apis/list-offsets.ts'
import { errorCode, type Failure, isFailure, noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { Offset } from '../../util/numbers.ts'
import { partitionFailure } from '../failures.ts'
import type { Partition } from '../partition.ts'
import type { BrokerRuntime } from '../runtime.ts'

type PartitionRequest = RequestOf<typeof listOffsets>['partitions'][number]
type PartitionResponse = ResponseOf<typeof listOffsets>['partitions'][number]

interface FoundOffset {
  readonly offset: Offset
  readonly timestamp: number
  readonly leaderEpoch: number
}

export function listOffsetsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(listOffsets, async (request, context) => ({
    partitions: await Promise.all(request.partitions.map(item => listOne(broker, context, item))),
  }))
}

async function listOne(
  broker: BrokerRuntime,
  context: RequestContext,
  item: PartitionRequest,
): Promise<PartitionResponse> {
  const found = await lookUp(broker, context, item)
  const place = { topic: item.topic, partition: item.partition }
  if (!isFailure(found)) return { ...place, errorCode: noError, errorMessage: null, ...found }
  return {
    ...place,
    errorCode: errorCode(found.error),
    errorMessage: found.message,
    offset: -1,
    timestamp: -1,
    leaderEpoch: -1,
  }
}

async function lookUp(
  broker: BrokerRuntime,
  context: RequestContext,
  item: PartitionRequest,
): Promise<FoundOffset | Failure> {
  if (!broker.authorizer.isAllowed(context, 'describe', { kind: 'topic', name: item.topic })) {
    return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised to describe ${item.topic}.` }
  }
  const partition = broker.partitions.find(item.topic, item.topicId, item.partition, item.leaderEpoch)
  if (isFailure(partition)) return partition
  if (item.timestamp === latestTimestamp) {
    if (!partition.isHighWatermarkCurrent) return notAvailable(partition)
    return { offset: partition.lastStableOffset, timestamp: -1, leaderEpoch: partition.log.latestEpoch ?? -1 }
  }
  if (item.timestamp === earliestTimestamp)
    return { offset: partition.log.logStartOffset, timestamp: -1, leaderEpoch: -1 }
  if (item.timestamp < 0)
    return { error: 'INVALID_REQUEST', message: `No offset is defined for timestamp ${item.timestamp}.` }
  return byTimestamp(partition, item.timestamp)
}

/** What an earlier leader showed may be above what this one knows to be committed: nobody's end goes back (KIP-207). */
function notAvailable({ highWatermark, leaderEpoch }: Partition): Failure {
  const message = `The leader of epoch ${leaderEpoch} knows offsets below ${highWatermark} to be committed, and that there may be more.`
  return { error: 'OFFSET_NOT_AVAILABLE', message }
}

async function byTimestamp(partition: Partition, timestampMs: number): Promise<FoundOffset | Failure> {
  try {
    const { isHighWatermarkCurrent } = partition
    const found = await partition.log.offsetForTimestamp(timestampMs, partition.lastStableOffset)
    if (found === null && !isHighWatermarkCurrent) return notAvailable(partition)
    return found ?? { offset: -1, timestamp: -1, leaderEpoch: -1 }
  } catch (error) {
    return partitionFailure(error)
  }
}
