/**
 * The batches of one partition, in order:
 *
 *     in flight ← closed (front first; what must be retried comes back here, at its old place) ← open (being filled)
 *
 * Order is kept by what may leave: batches in flight all went over one connection under one leader epoch, which the
 * leader serves in order and fences as a whole; and in one send epoch, in which it takes none behind one it has refused. A
 * batch that comes back holds up everything behind it, and until it is through only one batch is out at a time. A leader
 * that has gone silent is not awaited once there is another: all that is in flight is taken back together, and what becomes
 * of it over there has no say any more.
 */
import { assert } from '../../util/assert.ts'
import { Fifo } from '../../util/fifo.ts'
import { removeFrom } from '../../util/remove-from.ts'
import type { Connection } from '../connection.ts'
import type { ProducerBatch } from './producer-batch.ts'

/** Why a batch comes back, and what has to happen before it leaves again. */
export interface Setback {
  readonly error: Error
  /** On the monotonic clock: not earlier, unless the partition has a new leader by then. */
  readonly notBeforeMs: number
  /** Another node may lead the partition. */
  readonly isViewStale: boolean
}

/** Numbers for `PartitionQueue.sendEpoch`; a producer never uses one twice. */
export class SendEpochs {
  #last = 0

  next(): number {
    return ++this.#last
  }
}

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  open: ProducerBatch | null = null
  readonly closed = new Fifo<ProducerBatch>()
  /** What went wrong last: the cause when a batch is given up in the end. */
  lastError: Error | null = null
  /** A batch of this partition is being split: its parts come first. */
  isSplitting = false
  /** Of the last batch that was closed: the next one's is likely to be the same. */
  lastBatchBytes = 0
  readonly #sendEpochs: SendEpochs
  #sendEpoch: number
  #nextSequence = 0
  readonly #inFlight: ProducerBatch[] = []
  #inFlightOver: Connection | null = null
  #inFlightEpoch = -1
  /** On the monotonic clock: nothing is sent before under the epoch of the last failure, nor under an older one. */
  #notBeforeMs = 0
  #failedEpoch = -1
  #isViewStale = false
  /** A batch came back; order wants one at a time until none that came back is left. */
  #isRecovering = false

  constructor(topic: string, partition: number, sendEpochs: SendEpochs) {
    this.topic = topic
    this.partition = partition
    this.#sendEpochs = sendEpochs
    this.#sendEpoch = sendEpochs.next()
  }

  /** Another one after every batch that came back: so the broker knows what was sent before that was heard of. */
  get sendEpoch(): number {
    return this.#sendEpoch
  }

  nextSequence(): number {
    return this.#nextSequence++
  }

  /** The batch whose turn it is, were it allowed to leave. */
  get first(): ProducerBatch | null {
    return this.closed.peek() ?? this.open
  }

  /** When the next batch may leave, on the monotonic clock. A new leader need not wait for what the last one has earned. */
  notBeforeMs(leaderEpoch: number): number {
    return leaderEpoch > this.#failedEpoch ? 0 : this.#notBeforeMs
  }

  /** Whether a newer leader than the one of `leaderEpoch` should be looked for while the next batch waits. */
  wantsSuccessorOf(leaderEpoch: number): boolean {
    return this.#isViewStale && leaderEpoch <= this.#failedEpoch
  }

  /** Whether the order of the partition allows another batch to leave over `connection` under `leaderEpoch`. */
  maySend(connection: Connection, leaderEpoch: number): boolean {
    if (this.isSplitting) return false
    if (this.#inFlight.length === 0) return true
    return !this.#isRecovering && this.#inFlightOver === connection && this.#inFlightEpoch === leaderEpoch
  }

  onSent(batch: ProducerBatch, connection: Connection, leaderEpoch: number): void {
    assert(this.maySend(connection, leaderEpoch), 'batches of a partition leave in order')
    batch.attempts++
    this.#inFlight.push(batch)
    this.#inFlightOver = connection
    this.#inFlightEpoch = leaderEpoch
  }

  /** Whether that attempt to send the batch is what is in flight: it may have been taken back, and sent again. */
  isInFlight(batch: ProducerBatch, attempt: number): boolean {
    return batch.attempts === attempt && this.#inFlight.includes(batch)
  }

  /** A batch that was in flight is given up. */
  onFailed(batch: ProducerBatch): void {
    this.#sendEpoch = this.#sendEpochs.next()
    this.onDone(batch)
  }

  /** A batch that was in flight is settled. */
  onDone(batch: ProducerBatch): void {
    this.#onBack(batch)
    const front = this.closed.peek()
    if (this.#inFlight.length === 0 && (front === undefined || front.attempts === 0)) {
      this.#isRecovering = false
      this.lastError = null
    }
  }

  /** A batch that was in flight comes back, to leave again before all that followed it. */
  onRetry(batch: ProducerBatch, setback: Setback): void {
    this.#failedEpoch = this.#inFlightEpoch
    this.#onSetback(batch)
    this.lastError = setback.error
    this.#notBeforeMs = Math.max(this.#notBeforeMs, setback.notBeforeMs)
    this.#isViewStale = setback.isViewStale
    this.putBack(batch)
  }

  /** Takes back all that is in flight under an epoch before `leaderEpoch`, to leave again at once. Returns how many. */
  takeBack(leaderEpoch: number, reason: Error): number {
    if (this.#inFlightEpoch >= leaderEpoch) return 0
    const batches = [...this.#inFlight]
    for (const batch of batches) this.onRetry(batch, { error: reason, notBeforeMs: 0, isViewStale: false })
    return batches.length
  }

  /** A batch that was in flight is being split; `putBack` its parts, then clear `isSplitting`. */
  onSplit(batch: ProducerBatch): void {
    this.#onSetback(batch)
    this.isSplitting = true
  }

  putBack(batch: ProducerBatch): void {
    this.closed.insertBefore(batch, other => other.sequence > batch.sequence)
  }

  #onSetback(batch: ProducerBatch): void {
    this.#onBack(batch)
    this.#isRecovering = true
    this.#sendEpoch = this.#sendEpochs.next()
  }

  #onBack(batch: ProducerBatch): void {
    assert(removeFrom(this.#inFlight, batch), 'what comes back was in flight')
    if (this.#inFlight.length === 0) this.#inFlightOver = null
  }
}
