/**
 * AppendEntries: what leaders elsewhere send to their replicas here. Everything up to the append happens in the turn the
 * request arrived in, so what comes on one connection is appended in the order it was sent. The bytes of the request are
 * given to the logs, which keep them.
 */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { appendEntries } from '../../protocol/apis/index.ts'
import { storedRanges } from '../../protocol/batch/ranges.ts'
import { type Failure, isFailure } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import { toLeaderEpoch } from '../../util/numbers.ts'
import { PendingAppendEntries } from '../pending-append-entries.ts'
import type { BrokerRuntime } from '../runtime.ts'

type Request = RequestOf<typeof appendEntries>
type Response = ResponseOf<typeof appendEntries>

export function appendEntriesHandler(broker: BrokerRuntime): Handler {
  return defineHandler(appendEntries, request => handleAppendEntries(broker, request))
}

function handleAppendEntries(broker: BrokerRuntime, { partitions: items }: Request): Response | Promise<Response> {
  const pending = new PendingAppendEntries(items.length)
  for (const [slot, item] of items.entries()) {
    const failure = appendOne(broker, item, pending, slot)
    if (failure !== null) pending.onReplicated(slot, failure)
  }
  // Of the moment of the answer: whoever registered anew meanwhile has not acknowledged anything under that epoch.
  const brokerEpoch = broker.partitions.brokerEpoch ?? -1
  const answers = pending.answers()
  if (!(answers instanceof Promise)) return { brokerEpoch, partitions: answers }
  return answers.then(partitions => ({ brokerEpoch, partitions }))
}

function appendOne(
  broker: BrokerRuntime,
  item: Request['partitions'][number],
  waiter: PendingAppendEntries,
  slot: number,
): Failure | null {
  const { batches: bytes, fromOffset, prevEpoch, highWatermark, logStartOffset } = item
  const partition = broker.partitions.findReplica(item.topicId, item.partition)
  if (isFailure(partition)) return partition
  const batches = storedRanges(bytes)
  if (isFailure(batches)) {
    broker.logger.warn({ ...partition.id, reason: batches.message }, 'a leader sent damaged batches')
    return batches
  }
  if ((batches.at(-1)?.leaderEpoch ?? 0) > item.leaderEpoch) {
    return { error: 'INVALID_REQUEST', message: 'A batch is of a later epoch than its leader.' }
  }
  broker.stats.appendBytesIn += bytes.length
  const leaderEpoch = toLeaderEpoch(item.leaderEpoch)
  // Spelled out: copying "the rest" of an object cost a tenth of the handler.
  const checked = { leaderEpoch, fromOffset, prevEpoch, highWatermark, logStartOffset, batches }
  partition.appendReplicated({ item: checked, bytes, waiter, slot })
  return null
}
