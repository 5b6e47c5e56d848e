/**
 * One `send`: which batches its messages went into, and its promise. It keeps numbers per run of messages that went
 * into one batch, not an object per record, and builds its results when the last batch is settled.
 */
import type { ProducerBatch } from './producer-batch.ts'
import type { Message, RecordMetadata } from './types.ts'

/** `count` messages are in `batch` from its record `first` on. */
interface Run {
  readonly batch: ProducerBatch
  readonly first: number
  count: number
}

export class SendCall {
  /** Place among all calls of the producer: rising. */
  readonly sequence: number
  readonly topic: string
  readonly messages: readonly Message[]
  /** On the monotonic clock: what is not in a batch by then is given up. */
  readonly deadlineMs: number
  /** Timestamp of messages that carry none. */
  readonly timestampMs: number
  /** First message that is in no batch yet. */
  next = 0
  /** A partition was named that the topic did not have; metadata has been fetched once for it. */
  hasRefreshed = false
  isSettled = false
  /** Set by whoever watches a signal for this call. */
  onceSettled: (() => void) | null = null
  /** The run that the last message belongs to, and those before it: as a rule there are none, and no array. */
  #run: Run | null = null
  #earlierRuns: Run[] | null = null
  /** Batches that hold messages of this call and are not settled. */
  #outstanding = 0
  #failure: Error | null = null
  readonly #resolve: (results: RecordMetadata[]) => void
  readonly #reject: (error: Error) => void
  readonly #onSettled: (call: SendCall) => void

  constructor(
    input: { sequence: number; topic: string; messages: readonly Message[]; deadlineMs: number; timestampMs: number },
    ends: {
      resolve: (results: RecordMetadata[]) => void
      reject: (error: Error) => void
      onSettled: (call: SendCall) => void
    },
  ) {
    this.sequence = input.sequence
    this.topic = input.topic
    this.messages = input.messages
    this.deadlineMs = input.deadlineMs
    this.timestampMs = input.timestampMs
    this.#resolve = ends.resolve
    this.#reject = ends.reject
    this.#onSettled = ends.onSettled
  }

  /** The next message went into `batch` as its last record. */
  track(batch: ProducerBatch): void {
    const last = this.#run
    if (last !== null) {
      if (last.batch === batch) {
        last.count++
        return
      }
      this.#earlierRuns ??= []
      this.#earlierRuns.push(last)
    }
    this.#run = { batch, first: batch.recordCount - 1, count: 1 }
    if (batch.addCall(this)) this.#outstanding++
  }

  /** All messages are in batches: from here on only their outcome is awaited. */
  onAppended(): void {
    this.#maybeSettle()
  }

  /** A batch with messages of this call is done. */
  onBatchSettled(failure: Error | null): void {
    this.#outstanding--
    if (failure !== null) {
      this.#failure ??= failure
      // What follows a message that failed is not taken either.
      this.next = this.messages.length
    }
    this.#maybeSettle()
  }

  /** Gives up: what is in batches goes its way, the rest is not sent. */
  fail(error: Error): void {
    if (this.isSettled) return
    this.isSettled = true
    this.next = this.messages.length
    this.#reject(error)
    this.#onSettled(this)
    this.onceSettled?.()
  }

  #maybeSettle(): void {
    if (this.isSettled || this.#outstanding > 0 || this.next < this.messages.length) return
    this.isSettled = true
    if (this.#failure === null) this.#resolve(this.#results())
    else this.#reject(this.#failure)
    this.#onSettled(this)
    this.onceSettled?.()
  }

  #results(): RecordMetadata[] {
    // Of its length from the start: growing took as long as all else that is done here.
    const results = new Array<RecordMetadata>(this.messages.length)
    let at = 0
    if (this.#earlierRuns !== null) for (const run of this.#earlierRuns) at = this.#addResults(run, results, at)
    this.#addResults(this.#run!, results, at)
    return results
  }

  /** Returns where the next run's begin. */
  #addResults({ batch, first, count }: Run, results: RecordMetadata[], at: number): number {
    const { topic } = this
    const { partition } = batch
    for (let i = 0; i < count; i++) results[at + i] = { topic, partition, offset: batch.offsetOf(first + i) }
    return at + count
  }
}
