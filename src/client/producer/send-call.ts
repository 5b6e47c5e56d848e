/**
 * One `send`: which batches its messages went into, and its promise. It keeps numbers per run of messages that went
 * into one batch, not an object per record, and builds its results when the last batch is settled.
 */
import type { ProducerBatch } from './producer-batch.ts'
import type { Message, RecordMetadata } from './types.ts'

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
  /** Runs: `runCounts[i]` messages are in `runBatches[i]` from its record `runFirsts[i]` on. */
  readonly #runBatches: ProducerBatch[] = []
  readonly #runFirsts: number[] = []
  readonly #runCounts: number[] = []
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
    const last = this.#runBatches.length - 1
    if (last >= 0 && this.#runBatches[last] === batch) {
      this.#runCounts[last]!++
      return
    }
    this.#runBatches.push(batch)
    this.#runFirsts.push(batch.recordCount - 1)
    this.#runCounts.push(1)
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
    const results = new Array<RecordMetadata>(this.messages.length)
    let at = 0
    for (let run = 0; run < this.#runBatches.length; run++) {
      const batch = this.#runBatches[run]!
      const first = this.#runFirsts[run]!
      const end = first + this.#runCounts[run]!
      for (let record = first; record < end; record++) {
        results[at++] = { topic: this.topic, partition: batch.partition, offset: batch.offsetOf(record) }
      }
    }
    return results
  }
}
