/**
 * The batches of one partition, in order:
 *
 *     in flight ← closed (front first; what must be retried comes back here, at its old place) ← open (being filled)
 *
 * Order is kept by what may leave: batches in flight all went over one connection under one leader epoch, which the
 * leader serves in order and fences as a whole; a batch that comes back holds up everything behind it, and until it is
 * through only one batch is out at a time.
 */
import { assert } from '../../util/assert.ts'
import type { Connection } from '../connection.ts'
import { Deque } from '../deque.ts'
import type { ProducerBatch } from './producer-batch.ts'

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  open: ProducerBatch | null = null
  readonly closed = new Deque<ProducerBatch>()
  /** On the monotonic clock: nothing is sent before, after a failure. */
  notBeforeMs = 0
  /** What went wrong last: the cause when a batch is given up in the end. */
  lastError: Error | null = null
  /** A batch of this partition is being split: its parts come first. */
  isSplitting = false
  /** Of the last batch that was closed: the next one's is likely to be the same. */
  lastBatchBytes = 0
  #nextSequence = 0
  #inFlightCount = 0
  #inFlightOver: Connection | null = null
  #inFlightEpoch = -1
  /** A batch came back; order wants one at a time until none that came back is left. */
  #isRecovering = false

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  nextSequence(): number {
    return this.#nextSequence++
  }

  /** The batch whose turn it is, were it allowed to leave. */
  get first(): ProducerBatch | null {
    return this.closed.peek() ?? this.open
  }

  /** Whether the order of the partition allows another batch to leave over `connection` under `leaderEpoch`. */
  maySend(connection: Connection, leaderEpoch: number): boolean {
    if (this.isSplitting) return false
    if (this.#inFlightCount === 0) return true
    return !this.#isRecovering && this.#inFlightOver === connection && this.#inFlightEpoch === leaderEpoch
  }

  onSent(batch: ProducerBatch, connection: Connection, leaderEpoch: number): void {
    assert(this.maySend(connection, leaderEpoch), 'batches of a partition leave in order')
    batch.attempts++
    this.#inFlightCount++
    this.#inFlightOver = connection
    this.#inFlightEpoch = leaderEpoch
  }

  /** A batch that was in flight is settled. */
  onDone(): void {
    this.#onBack()
    const front = this.closed.peek()
    if (this.#inFlightCount === 0 && (front === undefined || front.attempts === 0)) {
      this.#isRecovering = false
      this.lastError = null
    }
  }

  /** A batch that was in flight comes back, to leave again before all that followed it. */
  onRetry(batch: ProducerBatch, notBeforeMs: number, error: Error): void {
    this.#onBack()
    this.#isRecovering = true
    this.lastError = error
    this.notBeforeMs = Math.max(this.notBeforeMs, notBeforeMs)
    this.putBack(batch)
  }

  /** A batch that was in flight is being split; `putBack` its parts, then clear `isSplitting`. */
  onSplit(): void {
    this.#onBack()
    this.#isRecovering = true
    this.isSplitting = true
  }

  putBack(batch: ProducerBatch): void {
    this.closed.insertBefore(batch, other => other.sequence > batch.sequence)
  }

  #onBack(): void {
    this.#inFlightCount--
    assert(this.#inFlightCount >= 0, 'what comes back was in flight')
    if (this.#inFlightCount === 0) this.#inFlightOver = null
  }
}
