/**
 * A record batch on its way: filling, closed, in flight, perhaps back for a retry, settled. A batch that the broker
 * finds too large is split in two; the whole stays as what its senders wait for and asks its parts for offsets.
 */
import { BatchBuilder } from '../../protocol/batch/builder.ts'
import type { CompressionName } from '../../protocol/batch/header.ts'
import type { Codec } from '../../protocol/batch/types.ts'
import { assert } from '../../util/assert.ts'
import type { SendCall } from './send-call.ts'

export interface BatchOptions {
  readonly topic: string
  readonly partition: number
  /** Place among the batches of the partition: rising. */
  readonly sequence: number
  /** The next batch's place is this much further; the parts of a split batch share it. */
  readonly span: number
  readonly createdAtMs: number
  readonly deadlineMs: number
  readonly bytesMax: number
  /** A guess at its size. */
  readonly capacityBytes: number
  /** Memory of a settled batch to build in. */
  readonly buffer: Uint8Array | null
  readonly compression: CompressionName
  readonly codec: Codec | null
}

export class ProducerBatch {
  readonly topic: string
  readonly partition: number
  readonly sequence: number
  readonly span: number
  readonly createdAtMs: number
  /** On the monotonic clock: after it there is no further attempt. */
  readonly deadlineMs: number
  readonly builder: BatchBuilder
  /** The encoded batch; `null` while it fills or is being compressed. */
  bytes: Uint8Array | null = null
  /** The codec failed: the batch cannot be sent. */
  encodingError: Error | null = null
  /** Bytes it counts for in the producer's buffer. */
  reservedBytes = 0
  /** Times it was sent. */
  attempts = 0
  isSettled = false
  failure: Error | null = null
  readonly #calls: SendCall[] = []
  /** The first record of each of them; its last is before the next one's first. */
  readonly #callFirsts: number[] = []
  #baseOffset = -1
  #whole: ProducerBatch | null = null
  #parts: readonly [ProducerBatch, ProducerBatch] | null = null
  #partRecords = 0

  constructor(options: BatchOptions) {
    this.topic = options.topic
    this.partition = options.partition
    this.sequence = options.sequence
    this.span = options.span
    this.createdAtMs = options.createdAtMs
    this.deadlineMs = options.deadlineMs
    this.builder = new BatchBuilder({
      bytesMax: options.bytesMax,
      capacityBytes: options.capacityBytes,
      buffer: options.buffer,
      compression: options.compression,
      codec: options.codec,
    })
  }

  get recordCount(): number {
    return this.builder.recordCount
  }

  /** Notes who waits for this batch; false if it is noted. The records of one call follow each other, so it would be last. */
  addCall(call: SendCall): boolean {
    if (this.#calls[this.#calls.length - 1] === call) return false
    this.#calls.push(call)
    this.#callFirsts.push(this.recordCount - 1)
    return true
  }

  /** Replaces this batch by two that hold its records: `first` the leading ones. */
  splitInto(first: ProducerBatch, second: ProducerBatch): void {
    assert(first.recordCount + second.recordCount === this.recordCount, 'a split keeps every record')
    this.#parts = [first, second]
    this.#partRecords = first.recordCount
    first.#whole = this
    second.#whole = this
  }

  /** The outcome. `baseOffset` -1: written, but where is not known (acks 0). */
  settle(baseOffset: number, failure: Error | null): void {
    assert(!this.isSettled, 'a batch settles once')
    this.isSettled = true
    this.failure = failure
    this.#baseOffset = baseOffset
    for (let i = 0; i < this.#calls.length; i++) {
      const callEnd = this.#callFirsts[i + 1] ?? this.recordCount
      this.#calls[i]!.onBatchSettled(failure === null ? null : this.#failureAmong(this.#callFirsts[i]!, callEnd))
    }
    this.#whole?.onPartSettled()
  }

  onPartSettled(): void {
    const [first, second] = this.#parts!
    if (first.isSettled && second.isSettled) this.settle(-1, first.failure ?? second.failure)
  }

  /** What kept the records [from, to) from being written; `null` when nothing did, because only another part failed. */
  #failureAmong(from: number, to: number): Error | null {
    if (this.#parts === null) return this.failure
    const [first, second] = this.#parts
    const middle = this.#partRecords
    const inFirst = from < middle ? first.#failureAmong(from, Math.min(to, middle)) : null
    return inFirst ?? (to > middle ? second.#failureAmong(Math.max(0, from - middle), to - middle) : null)
  }

  offsetOf(record: number): number {
    if (this.#parts !== null) {
      const inFirst = record < this.#partRecords
      return inFirst ? this.#parts[0].offsetOf(record) : this.#parts[1].offsetOf(record - this.#partRecords)
    }
    return this.#baseOffset < 0 ? -1 : this.#baseOffset + record
  }
}
