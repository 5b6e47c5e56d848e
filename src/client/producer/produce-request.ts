/** One Produce request: its body, and what its answer, or the lack of one, means for each batch in it. */
import type { ResponseOf } from '../../protocol/api.ts'
import { produce } from '../../protocol/apis/index.ts'
import { ApiError, errorName, errorTable } from '../../protocol/errors.ts'
import type { Connection } from '../connection.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { ProducerSettings } from './types.ts'

export interface ProduceItem {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
  /** The batch's `attempts` with this one. */
  readonly attempt: number
  readonly topicId: string | null
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface BatchError {
  readonly cause: Error
  readonly isRetriable: boolean
  readonly refreshMetadata: boolean
  /** The node has not heard yet what we know: it soon will have. */
  readonly isLagging: boolean
  /** The batch, not necessarily a record of it, is larger than the broker takes. */
  readonly isTooLarge: boolean
}

export type BatchOutcome =
  | { readonly error: null /** -1 when nobody said. */; readonly baseOffset: number }
  | { readonly error: BatchError }

export interface ProduceEvents {
  onSettled(item: ProduceItem, outcome: BatchOutcome): void
  /** After the last `onSettled`; with the error if the request failed as a whole. */
  onDone(error: Error | null): void
}

/** Sends the batches, one per partition, and reports each one's outcome exactly once. */
export function sendProduce(
  connection: Connection,
  items: readonly ProduceItem[],
  settings: ProducerSettings,
  events: ProduceEvents,
): void {
  const { acks, requestTimeoutMs } = settings
  const body = {
    acks,
    // The node gives up a little earlier than the client, so that its answer says what happened.
    timeoutMs: requestTimeoutMs - Math.min(1_000, Math.floor(requestTimeoutMs / 10)),
    partitions: items.map(({ queue, batch, topicId, leaderEpoch }) => ({
      topic: batch.topic,
      topicId,
      partition: batch.partition,
      leaderEpoch,
      sendEpoch: queue.sendEpoch,
      records: batch.bytes!,
    })),
  }
  const onFailed = (cause: unknown): void => {
    const error = batchError(cause)
    for (const item of items) events.onSettled(item, { error })
    events.onDone(error.cause)
  }
  if (acks === 0) {
    try {
      connection.requestNoResponse(produce, body)
      for (const item of items) events.onSettled(item, { error: null, baseOffset: -1 })
      events.onDone(null)
    } catch (error) {
      onFailed(error)
    }
    return
  }
  connection.request(produce, body, { timeoutMs: requestTimeoutMs, isLent: true }).then(response => {
    if (response.partitions.length !== items.length) {
      onFailed(new ApiError('UNKNOWN_SERVER_ERROR', 'the answer to Produce is for other partitions'))
      return
    }
    for (const [i, item] of items.entries()) events.onSettled(item, outcomeOf(item, response.partitions[i]!))
    events.onDone(null)
  }, onFailed)
}

function outcomeOf({ batch }: ProduceItem, answer: ResponseOf<typeof produce>['partitions'][number]): BatchOutcome {
  const code = errorName(answer.errorCode)
  if (code === null) return { error: null, baseOffset: answer.baseOffset }
  const message = `${batch.topic}-${batch.partition}: ${answer.errorMessage ?? errorTable[code].message}`
  return { error: batchError(new ApiError(code, message)) }
}

function batchError(cause: unknown): BatchError {
  if (!(cause instanceof ApiError)) {
    const error = cause instanceof Error ? cause : new Error(String(cause))
    return { cause: error, isRetriable: false, refreshMetadata: false, isLagging: false, isTooLarge: false }
  }
  const { code } = cause
  return {
    cause,
    isRetriable: errorTable[code].retriable,
    // A node that is gone, or silent, may have lost its partitions to another.
    refreshMetadata: errorTable[code].refreshMetadata || code === 'NETWORK_EXCEPTION' || code === 'REQUEST_TIMED_OUT',
    isLagging: code === 'UNKNOWN_LEADER_EPOCH',
    isTooLarge: code === 'MESSAGE_TOO_LARGE' || code === 'RECORD_LIST_TOO_LARGE',
  }
}
