/**
 * Produce, fetch and offsets for callers who do not know who leads: those that come over HTTP, through any node. What this
 * broker leads is served by its own handlers, as it would be for a client; the rest is asked of the leader. While a leader
 * is being elected, or this node has not heard of it, the request waits for the metadata to change.
 */
import type { MetadataImage } from '../../metadata/image.ts'
import { validateTopicName } from '../../metadata/topic-name.ts'
import type { Api, RequestOf, ResponseOf } from '../../protocol/api.ts'
import { fetch, listOffsets, produce } from '../../protocol/apis/index.ts'
import { ApiError, type ErrorName, errorName, type Failure, isFailure } from '../../protocol/errors.ts'
import { failureOf, isFatal } from '../../transport/failures.ts'
import type { Handler } from '../../transport/handler.ts'
import { type NodeId, noEpoch } from '../../util/numbers.ts'
import type { BrokerRuntime } from '../runtime.ts'
import type { NodeLinks } from './node-links.ts'

export type ProducedPartition = ResponseOf<typeof produce>['partitions'][number]
export type FetchedPartition = ResponseOf<typeof fetch>['partitions'][number]

/** Who asks, through which listener. */
export interface Caller {
  readonly remote: string
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

export interface ProduceCall extends Place {
  readonly acks: 0 | 1 | -1
  readonly timeoutMs: number
  /** One record batch. */
  readonly batch: Uint8Array
}

export interface FetchCall extends Place {
  readonly offset: number
  readonly maxBytes: number
  readonly minBytes: number
  readonly maxWaitMs: number
}

/** Where records without a place of their own may go. */
export interface TopicView {
  readonly name: string
  /** Index is the partition number. */
  readonly partitions: ReadonlyArray<{ readonly leaderId: number | null }>
}

/** All failures that are part of the protocol are values. */
export interface RecordGateway {
  /** As committed now, if this node does not know the topic or this many partitions of it. */
  topic(name: string, partitionsMin: number): Promise<TopicView | Failure>
  /** `null` for acks 0: it was handed to the leader. */
  produce(call: ProduceCall, caller: Caller): Promise<ProducedPartition | Failure | null>
  /** Dispose of it when its bytes are not held any more. */
  fetch(call: FetchCall, caller: Caller): Promise<(FetchedPartition & Partial<Disposable>) | Failure>
  /** The offset of the first record, or behind the last that may be read. */
  offsetOf(end: 'start' | 'end', place: Place, caller: Caller): Promise<number | Failure>
}

/** How long a topic that is not known here is looked for elsewhere. */
const lookupTimeoutMs = 2_000
/** Before somebody else is asked again, unless the metadata change before. */
const retryPauseMs = 100
/** Beyond what the leader was told to wait: for the way there and back. */
const answerGraceMs = 5_000
/** How long reads wait for a leader at least, whatever they would wait for records. */
const electionWaitMs = 5_000

const nobodyLeads: readonly ErrorName[] = ['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE']
/** A read that got no answer may be asked again. */
const nobodyAnswers: readonly ErrorName[] = [...nobodyLeads, 'NETWORK_EXCEPTION', 'SHUTTING_DOWN']

interface PartitionAnswer {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** One request about one partition. */
interface Ask<Q, S> {
  readonly api: Api<Q, S>
  readonly place: Place
  /** Made anew for each attempt: what is left of its time. */
  readonly body: (leftMs: number) => Q
  readonly timeoutMs: number
  readonly isAnswered: boolean
  readonly elsewhere: readonly ErrorName[]
}

export interface RoutedRecordsOptions {
  readonly broker: BrokerRuntime
  readonly handlers: readonly Handler[]
  /** `null`: there are no other brokers. */
  readonly links: NodeLinks | null
  readonly onFatal: (error: Error) => void
}

export class RoutedRecords implements RecordGateway, AsyncDisposable {
  readonly #options: RoutedRecordsOptions

  constructor(options: RoutedRecordsOptions) {
    this.#options = options
  }

  async topic(name: string, partitionsMin: number): Promise<TopicView | Failure> {
    const invalid = validateTopicName(name)
    if (invalid !== null) return invalid
    const { metadata, controller } = this.#options.broker
    const here = topicIn(metadata.image(), name, partitionsMin)
    if (!isFailure(here)) return here
    try {
      return topicIn(await controller.currentImage(lookupTimeoutMs), name, partitionsMin)
    } catch (error) {
      if (error instanceof ApiError) return here
      throw error
    }
  }

  async produce(call: ProduceCall, caller: Caller): Promise<ProducedPartition | Failure | null> {
    const { topic, partition, acks, timeoutMs, batch } = call
    const item = { topic, topicId: null, partition, leaderEpoch: -1, records: batch, sendEpoch: -1 }
    const answer = await this.#ask<RequestOf<typeof produce>, ResponseOf<typeof produce>>(
      {
        api: produce,
        place: call,
        body: leftMs => ({ acks, timeoutMs: leftMs, partitions: [item] }),
        timeoutMs,
        isAnswered: acks !== 0,
        elsewhere: nobodyLeads,
      },
      caller,
    )
    return answer === null || isFailure(answer) ? answer : answer.partitions[0]!
  }

  async fetch(call: FetchCall, caller: Caller): Promise<(FetchedPartition & Partial<Disposable>) | Failure> {
    const { topic, partition, offset, maxBytes, minBytes, maxWaitMs } = call
    const endMs = this.#nowMs() + maxWaitMs
    const place = { topic, topicId: null, partition, leaderEpoch: -1 }
    const item = { ...place, fetchOffset: offset, maxBytes, lastFetchedEpoch: noEpoch }
    const rest = { minBytes, maxBytes, isolationLevel: 0, format: 'batches', rack: null } as const
    const answer = await this.#ask<RequestOf<typeof fetch>, ResponseOf<typeof fetch> & Partial<Disposable>>(
      {
        api: fetch as Api<RequestOf<typeof fetch>, ResponseOf<typeof fetch>>,
        place: call,
        body: () => ({ maxWaitMs: Math.max(0, Math.round(endMs - this.#nowMs())), ...rest, partitions: [item] }),
        timeoutMs: Math.max(maxWaitMs, electionWaitMs),
        isAnswered: true,
        elsewhere: nobodyAnswers,
      },
      caller,
    )
    if (answer === null || isFailure(answer)) return answer ?? notAsked
    return Object.assign(answer.partitions[0]!, { [Symbol.dispose]: () => answer[Symbol.dispose]?.() })
  }

  async offsetOf(end: 'start' | 'end', place: Place, caller: Caller): Promise<number | Failure> {
    const { topic, partition } = place
    const item = { topic, topicId: null, partition, leaderEpoch: -1, timestamp: end === 'start' ? -2 : -1 }
    const answer = await this.#ask<RequestOf<typeof listOffsets>, ResponseOf<typeof listOffsets>>(
      {
        api: listOffsets,
        place,
        body: () => ({ isolationLevel: 0, partitions: [item] }),
        timeoutMs: electionWaitMs,
        isAnswered: true,
        elsewhere: [...nobodyAnswers, 'OFFSET_NOT_AVAILABLE'],
      },
      caller,
    )
    if (answer === null || isFailure(answer)) return answer ?? notAsked
    const { errorCode, errorMessage, offset } = answer.partitions[0]!
    return partitionError({ errorCode, errorMessage }) ?? offset
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.links?.close()
  }

  /** Asks until somebody who leads has answered, or the time is over. */
  async #ask<Q, S extends { partitions: readonly PartitionAnswer[] } & Partial<Disposable>>(
    ask: Ask<Q, S>,
    caller: Caller,
  ): Promise<S | Failure | null> {
    const endMs = this.#nowMs() + ask.timeoutMs
    for (;;) {
      const answer = await this.#askOnce(ask, Math.max(1, Math.round(endMs - this.#nowMs())), caller)
      if (answer === null) return null
      const failure = isFailure(answer) ? answer : partitionError(answer.partitions[0]!)
      const leftMs = endMs - this.#nowMs()
      if (failure === null || !ask.elsewhere.includes(failure.error) || leftMs <= 0) return answer
      if (this.#options.broker.isDraining()) return failure.error === 'NETWORK_EXCEPTION' ? stopping : answer
      if (caller.signal.aborted) return answer
      if (!isFailure(answer)) answer[Symbol.dispose]?.()
      await this.#metadataChanged(Math.min(leftMs, retryPauseMs), caller.signal)
    }
  }

  async #askOnce<Q, S>(ask: Ask<Q, S>, leftMs: number, caller: Caller): Promise<S | Failure | null> {
    const { broker } = this.#options
    const { topic, partition } = ask.place
    const leaderId = broker.metadata.image().topics.byName.get(topic)?.partitions[partition]?.leaderId
    try {
      if (leaderId === undefined || leaderId === broker.nodeId) return await this.#askHere(ask, leftMs, caller)
      if (leaderId !== null) return await this.#askThere(ask, leaderId, leftMs, caller)
      return { error: 'LEADER_NOT_AVAILABLE', message: `${topic}-${partition} has no leader at the moment.` }
    } catch (error) {
      return this.#failure(error)
    }
  }

  async #askHere<Q, S>({ api, body }: Ask<Q, S>, leftMs: number, caller: Caller): Promise<S | null> {
    const handler = this.#options.handlers.find(each => each.api.key === api.key)!
    const context = {
      connectionId: 0,
      principal: 'anonymous',
      clientId: null,
      listener: 'HTTP',
      remote: caller.remote,
      // Not asked for before somebody waits: there it is made.
      get signal() {
        return caller.signal
      },
    }
    return (await handler.handle(body(leftMs), context)) as S | null
  }

  async #askThere<Q, S>(
    { api, body, isAnswered }: Ask<Q, S>,
    leaderId: NodeId,
    leftMs: number,
    { signal }: Caller,
  ): Promise<S | Failure | null> {
    const connection = await this.#connectionTo(leaderId)
    if (isFailure(connection)) return connection
    if (!isAnswered) {
      connection.requestNoResponse(api, body(leftMs))
      return null
    }
    return connection.request(api, body(leftMs), { timeoutMs: leftMs + answerGraceMs, signal })
  }

  /** A leader that is not reached has been sent nothing, which is as good as none. */
  async #connectionTo(leaderId: NodeId) {
    const { links } = this.#options
    const message = `Node ${leaderId}, which leads the partition, is not reached from here.`
    if (links === null) return { error: 'LEADER_NOT_AVAILABLE', message } as const
    try {
      return await links.to(leaderId)
    } catch (error) {
      if (error instanceof ApiError) return { error: 'LEADER_NOT_AVAILABLE', message } as const
      throw error
    }
  }

  #failure(error: unknown): Failure {
    if (isFatal(error)) this.#options.onFatal(error)
    const { code, message, isExpected } = failureOf(error)
    if (!isExpected) this.#options.broker.logger.error({ error }, 'a request over HTTP failed unexpectedly')
    return { error: code, message }
  }

  #metadataChanged(waitMs: number, signal: AbortSignal): Promise<void> {
    const { clock, metadata } = this.#options.broker
    return new Promise(resolve => {
      const done = (): void => {
        unsubscribe()
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const unsubscribe = metadata.subscribe(done)
      const timer = clock.setTimer(waitMs, done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  #nowMs(): number {
    return this.#options.broker.clock.nowMs()
  }
}

/** A read on its way to a leader: this node has closed the connection itself. */
const stopping: Failure = { error: 'SHUTTING_DOWN', message: 'This node is stopping.' }
const notAsked: Failure = { error: 'UNKNOWN_SERVER_ERROR', message: 'A request that wants an answer got none.' }

function topicIn(image: MetadataImage, name: string, partitionsMin: number): TopicView | Failure {
  const topic = image.topics.byName.get(name)
  if (topic === undefined) return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `There is no topic ${name}.` }
  if (topic.partitions.length >= partitionsMin) return topic
  return {
    error: 'UNKNOWN_TOPIC_OR_PARTITION',
    message: `Topic ${name} has ${topic.partitions.length} partitions.`,
  }
}

/** What an answer says of its partition; `null` when it went well. */
export function partitionError({ errorCode, errorMessage }: PartitionAnswer): Failure | null {
  const error = errorName(errorCode)
  return error === null ? null : { error, message: errorMessage ?? '' }
}
