/**
 * Produce: each partition's batch is checked, appended and waited for on its own. Everything up to the append happens
 * in the turn the request arrived in, so the requests of one connection are appended in the order they were sent. The
 * bytes of the request are given to the log, which keeps them.
 */
import type { RequestOf } from '../../protocol/api.ts'
import { produce } from '../../protocol/apis/index.ts'
import { checkProducedBatch } from '../../protocol/batch/check.ts'
import { packPlainRecords } from '../../protocol/batch/plain.ts'
import { ApiError, errorTable, type Failure, isFailure } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { Acks } from '../append-waiters.ts'
import { partitionFailure } from '../failures.ts'
import { PendingProduce, type ProduceResponse } from '../pending-produce.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { SendOrder } from '../send-order.ts'

type ProduceRequest = RequestOf<typeof produce>
type PartitionRequest = ProduceRequest['partitions'][number]

export function produceHandler(broker: BrokerRuntime): Handler {
  const order = new SendOrder()
  return defineHandler(produce, (request, context) => handleProduce(broker, order, request, context))
}

function handleProduce(
  broker: BrokerRuntime,
  order: SendOrder,
  request: ProduceRequest,
  context: RequestContext,
): ProduceResponse | null | Promise<ProduceResponse | null> {
  const startMs = broker.clock.nowMs()
  const { acks } = request
  if (acks !== 0 && acks !== 1 && acks !== -1) throw new ApiError('INVALID_REQUIRED_ACKS')
  // A client that is told nothing does not send again.
  const onFailed = (slot: number, { error }: Failure): void => {
    if (acks !== 0) order.onRefused(context, request.partitions[slot]!, error)
  }
  const pending = new PendingProduce(request.partitions, onFailed)
  for (const [slot, item] of request.partitions.entries()) {
    const isBehind = broker.rules.keepsSendOrder && order.isBehindRefused(context, item)
    const failure = isBehind ? notAttempted : appendOne(broker, context, item, acks, pending, slot)
    if (failure !== null) pending.onAppendSettled(slot, failure)
  }
  const startDeadline = () => broker.deadlines.add(request.timeoutMs, () => expire(broker, request, pending))
  const finish = (response: ProduceResponse): ProduceResponse | null => {
    broker.stats.produceFailures += pending.failures
    broker.stats.produceMs.observe(broker.clock.nowMs() - startMs)
    // With acks 0 nobody is told, but the request counts as in flight until its bytes have left memory.
    return acks === 0 ? null : response
  }
  return pending.answer(startDeadline, finish)
}

function appendOne(
  broker: BrokerRuntime,
  context: RequestContext,
  item: PartitionRequest,
  acks: Acks,
  pending: PendingProduce,
  slot: number,
): Failure | null {
  if (!broker.authorizer.isAllowed(context, 'write', { kind: 'topic', name: item.topic })) {
    return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised to write to ${item.topic}.` }
  }
  const partition = broker.partitions.find(item.topic, item.topicId, item.partition, item.leaderEpoch)
  if (isFailure(partition)) return partition
  // Whoever is told nothing would not send it again.
  if (acks !== 0 && (partition.isHandingOver || (broker.isHandingOver() && partition.hasHeirs))) return handedOver
  if (acks === -1 && !partition.hasMinIsr) {
    return { error: 'NOT_ENOUGH_REPLICAS', message: `min.insync.replicas is ${partition.config.minInsyncReplicas}.` }
  }
  try {
    const batch = toBatch(broker, item.records)
    const header = checkProducedBatch(batch, { sizeMax: partition.config.maxMessageBytes })
    if (isFailure(header)) return header
    const { baseOffset, logAppendTimeMs } = partition.append(batch, acks, pending, slot)
    pending.onAppended(slot, baseOffset, logAppendTimeMs, partition.log.logStartOffset)
    broker.stats.batchesIn += 1
    broker.stats.recordsIn += header.recordCount
    broker.stats.bytesIn += batch.length
    return null
  } catch (error) {
    return partitionFailure(error)
  }
}

function toBatch(broker: BrokerRuntime, records: PartitionRequest['records']): Uint8Array {
  return records instanceof Uint8Array ? records : packPlainRecords(records, broker.clock.wallClockMs())
}

function expire(broker: BrokerRuntime, request: ProduceRequest, pending: PendingProduce): void {
  broker.stats.producesExpired += 1
  pending.expire(slot => {
    const { topic, topicId, partition } = request.partitions[slot]!
    const found = broker.partitions.find(topic, topicId, partition, -1)
    return request.acks === -1 && !isFailure(found) && found.isUnderMinIsr ? tooFewAfterAppend : timedOut
  })
}

const handedOver: Failure = {
  error: 'NOT_LEADER_OR_FOLLOWER',
  message: 'Another node is about to lead.',
}

const notAttempted: Failure = {
  error: 'OPERATION_NOT_ATTEMPTED',
  message: errorTable.OPERATION_NOT_ATTEMPTED.message,
}

const timedOut: Failure = {
  error: 'REQUEST_TIMED_OUT',
  message: 'Appended, but not acknowledged in time; it may still be.',
}

const tooFewAfterAppend: Failure = {
  error: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  message: 'Appended, but in-sync replicas have gone since, and too few are left; it may still be acknowledged.',
}
