/**
 * `POST /v1/topics/{topic}/records` and `…/partitions/{partition}/records`: the records become one batch for each
 * partition, which goes the way of every produce request.
 */
import {
  type Caller,
  type ProducedPartition,
  partitionError,
  type RecordGateway,
  type TopicView,
} from '../../broker/gateway/record-gateway.ts'
import { BatchBuilder } from '../../protocol/batch/builder.ts'
import { batchHeaderBytes } from '../../protocol/batch/header.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError, type Failure, isFailure } from '../../protocol/errors.ts'
import { partitionForKey } from '../../util/murmur2.ts'
import type { Exchange } from '../exchange.ts'
import { failureAnswer, type HttpAnswer, jsonAnswer } from '../router.ts'
import { type ErrorBody, errorBody } from '../statuses.ts'
import { partitionOf } from './place.ts'
import { type Posted, readPosted, UnsupportedMediaType } from './posted.ts'
import type { PostedRecord } from './record-json.ts'

type Outcome = { readonly partition: number; readonly offset: number | null } | FailedOutcome
type FailedOutcome = { readonly partition: number } & ErrorBody

/** Beside key and value: lengths, deltas, and a guess at headers. */
const recordOverheadBytes = 64

export class ProduceRoute {
  readonly #records: RecordGateway
  /** Which partition the next request's records without a key go to. */
  #turn = 0

  constructor(records: RecordGateway) {
    this.#records = records
  }

  readonly handle = async (exchange: Exchange): Promise<HttpAnswer> => {
    const partition = exchange.params.partition === undefined ? null : partitionOf(exchange)
    // A topic that is not there is said before a body is sent for it.
    const topic = await this.#records.topic(exchange.params.topic!, partition === null ? 1 : partition + 1)
    if (isFailure(topic)) return failureAnswer(topic)
    try {
      return await this.#produce(topic, await readPosted(exchange, partition), exchange)
    } catch (error) {
      if (!(error instanceof UnsupportedMediaType)) throw error
      exchange.request.resume()
      return failureAnswer({ error: 'INVALID_REQUEST', message: error.message }, 415)
    }
  }

  async #produce(topic: TopicView, posted: Posted, caller: Caller): Promise<HttpAnswer> {
    const { records, isSingle, acks } = posted
    const placed = this.#place(topic, records)
    const sent = [...placed].map(async ([partition, indexes]) => ({
      partition,
      indexes,
      answer: await this.#send(topic.name, partition, indexes, posted, caller),
    }))
    const outcomes = new Array<Outcome>(records.length)
    for (const { partition, indexes, answer } of await Promise.all(sent)) {
      for (const [delta, index] of indexes.entries()) outcomes[index] = outcomeOf(partition, answer, delta)
    }
    return isSingle ? answerOne(topic.name, outcomes[0]!, acks) : answerAll(topic.name, outcomes, acks)
  }

  /** Indexes of records by partition, in the order of the request. */
  #place(topic: TopicView, records: readonly PostedRecord[]): Map<number, number[]> {
    const placed = new Map<number, number[]>()
    let keyless: number | null = null
    for (const [index, { partition, key }] of records.entries()) {
      let place = partition
      if (place === null && key !== null) place = partitionForKey(key, topic.partitions.length)
      place ??= keyless ??= this.#nextPartition(topic)
      const indexes = placed.get(place)
      if (indexes === undefined) placed.set(place, [index])
      else indexes.push(index)
    }
    return placed
  }

  /** All records without a key of one request share a batch; the next request's go to the next partition that has a leader. */
  #nextPartition({ partitions }: TopicView): number {
    const first = this.#turn++ % partitions.length
    for (let step = 0; step < partitions.length; step++) {
      const partition = (first + step) % partitions.length
      if (partitions[partition]!.leaderId !== null) return partition
    }
    return first
  }

  async #send(
    topic: string,
    partition: number,
    indexes: readonly number[],
    { records, acks, timeoutMs }: Posted,
    caller: Caller,
  ): Promise<ProducedPartition | Failure | null> {
    try {
      const batch = batchOf(indexes.map(index => records[index]!))
      return await this.#records.produce({ topic, partition, acks, timeoutMs, batch }, caller)
    } catch (error) {
      // Of the other partitions' records some may be stored already: their senders have to hear of it.
      if (error instanceof ApiError) return { error: error.code, message: error.message }
      throw error
    }
  }
}

function batchOf(records: readonly PostedRecord[]): Uint8Array {
  let capacityBytes = batchHeaderBytes
  for (const { key, value } of records) capacityBytes += recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0)
  const builder = new BatchBuilder({ bytesMax: limits.recordsBytes, compression: 'none', codec: null, capacityBytes })
  const nowMs = Date.now()
  for (const { key, value, headers, timestamp } of records) {
    if (!builder.tryAppend(key, value, headers, timestamp ?? nowMs)) {
      throw new ApiError('MESSAGE_TOO_LARGE', `The records do not fit a batch of ${limits.recordsBytes} bytes.`)
    }
  }
  return builder.finish() as Uint8Array // Only a codec makes it a promise.
}

/** Of the record that is number `delta` of its batch. */
function outcomeOf(partition: number, answer: ProducedPartition | Failure | null, delta: number): Outcome {
  if (answer === null) return { partition, offset: null }
  const failure = isFailure(answer) ? answer : partitionError(answer)
  if (failure !== null) return { partition, ...errorBody(failure) }
  return { partition, offset: (answer as ProducedPartition).baseOffset + delta }
}

/** With acks 0 nobody knows more than that it was handed over. */
function doneStatus(acks: Posted['acks']): number {
  return acks === 0 ? 202 : 200
}

function answerOne(topic: string, outcome: Outcome, acks: Posted['acks']): HttpAnswer {
  if (isFailed(outcome)) return failureAnswer(outcome)
  return jsonAnswer(doneStatus(acks), { topic, ...outcome })
}

function answerAll(topic: string, records: readonly Outcome[], acks: Posted['acks']): HttpAnswer {
  const failed = records.filter(isFailed)
  if (failed.length === 0) return jsonAnswer(doneStatus(acks), { topic, records })
  // Some are stored, some are not: no single status says so, and a repeated request would store the first again.
  if (failed.length < records.length) return jsonAnswer(207, { topic, records })
  const { status, headers } = failureAnswer(failed[0]!)
  return {
    ...jsonAnswer(status, { ...errorBody(failed[0]!), topic, records }),
    ...(headers === undefined ? {} : { headers }),
  }
}

function isFailed(outcome: Outcome): outcome is FailedOutcome {
  return 'error' in outcome
}
