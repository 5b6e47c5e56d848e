/** DeleteRecords: raises log start offsets, never above the high watermark. */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { deleteRecords } from '../../protocol/apis/index.ts'
import { errorCode, type Failure, isFailure, noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { Offset } from '../../util/numbers.ts'
import { partitionFailure } from '../failures.ts'
import type { BrokerRuntime } from '../runtime.ts'

type PartitionRequest = RequestOf<typeof deleteRecords>['partitions'][number]
type PartitionResponse = ResponseOf<typeof deleteRecords>['partitions'][number]

/** In a request: everything that may be deleted. */
const toHighWatermark = -1

export function deleteRecordsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(deleteRecords, async (request, context) => ({
    partitions: await Promise.all(request.partitions.map(item => deleteOne(broker, context, item))),
  }))
}

async function deleteOne(
  broker: BrokerRuntime,
  context: RequestContext,
  item: PartitionRequest,
): Promise<PartitionResponse> {
  const result = await advance(broker, context, item)
  const place = { topic: item.topic, partition: item.partition }
  if (!isFailure(result))
    return { ...place, errorCode: noError, errorMessage: null, logStartOffset: result.logStartOffset }
  return { ...place, errorCode: errorCode(result.error), errorMessage: result.message, logStartOffset: -1 }
}

async function advance(
  broker: BrokerRuntime,
  context: RequestContext,
  item: PartitionRequest,
): Promise<{ logStartOffset: Offset } | Failure> {
  if (!broker.authorizer.isAllowed(context, 'delete', { kind: 'topic', name: item.topic })) {
    return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised to delete from ${item.topic}.` }
  }
  const partition = broker.partitions.find(item.topic, item.topicId, item.partition, -1)
  if (isFailure(partition)) return partition
  const { highWatermark, log } = partition
  const offset = item.offset === toHighWatermark ? highWatermark : item.offset
  if (offset < 0 || offset > highWatermark) {
    return {
      error: 'OFFSET_OUT_OF_RANGE',
      message: `The log has offsets from ${log.logStartOffset} to ${highWatermark} (exclusive).`,
    }
  }
  try {
    if (offset > log.logStartOffset) await partition.deleteBelow(offset)
    return { logStartOffset: log.logStartOffset }
  } catch (error) {
    return partitionFailure(error)
  }
}
