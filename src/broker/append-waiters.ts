/**
 * Those who wait for appends of one partition to be safe: in the order of the appends, released by the end that moved.
 * They outlive an epoch: what a leader appended is in its log, and the next leader, whoever that is, may have it as well. It
 * is then committed under that one, or cut off here: whoever waits is told which, instead of having to send it again
 * and perhaps have it twice.
 */
import type { Failure } from '../protocol/errors.ts'
import { Fifo } from '../util/fifo.ts'
import type { Offset } from '../util/numbers.ts'

/** A request that waits for one of its partitions; `slot` is the place in it. */
export interface AppendWaiter {
  onAppendSettled(slot: number, failure: Failure | null): void
}

export type Acks = 0 | 1 | -1

interface Waiting {
  readonly endOffset: Offset
  readonly sizeBytes: number
  readonly waiter: AppendWaiter | null
  readonly slot: number
}

export class AppendWaiters {
  /** Those the local durable end releases. */
  readonly #unflushed = new Fifo<Waiting>()
  /** Every append the high watermark has not passed; `waiter` only for acks=all. */
  readonly #uncommitted = new Fifo<Waiting>()

  add(endOffset: Offset, sizeBytes: number, acks: Acks, waiter: AppendWaiter, slot: number): void {
    if (acks !== -1) this.#unflushed.push({ endOffset, sizeBytes, waiter, slot })
    this.#uncommitted.push({ endOffset, sizeBytes, waiter: acks === -1 ? waiter : null, slot })
  }

  onDurable(durableEndOffset: Offset): void {
    release(this.#unflushed, durableEndOffset)
  }

  /** Returns the bytes that passed. */
  onCommitted(highWatermark: Offset): number {
    return release(this.#uncommitted, highWatermark)
  }

  /** What was appended from `fromOffset` on did not happen. */
  takeBack(fromOffset: Offset, failure: Failure): void {
    for (const queue of [this.#unflushed, this.#uncommitted]) {
      const lost = queue.takeTail(({ endOffset }) => endOffset > fromOffset)
      for (const { waiter, slot } of lost) waiter?.onAppendSettled(slot, failure)
    }
  }

  /** Another leads: this disk alone is no promise any more. */
  onResigned(failure: Failure): void {
    failWhile(this.#unflushed, failure, () => true)
  }

  /** Of what ends at or below `offset`, nobody can say any more whether it was committed. */
  forget(offset: Offset, failure: Failure): void {
    failWhile(this.#uncommitted, failure, ({ endOffset }) => endOffset <= offset)
  }

  failAll(failure: Failure): void {
    for (const queue of [this.#unflushed, this.#uncommitted]) failWhile(queue, failure, () => true)
  }
}

function failWhile(queue: Fifo<Waiting>, failure: Failure, isConcerned: (waiting: Waiting) => boolean): void {
  for (let next = queue.peek(); next !== undefined && isConcerned(next); next = queue.peek()) {
    queue.shift()
    next.waiter?.onAppendSettled(next.slot, failure)
  }
}

function release(queue: Fifo<Waiting>, endOffset: Offset): number {
  let bytes = 0
  for (let next = queue.peek(); next !== undefined && next.endOffset <= endOffset; next = queue.peek()) {
    queue.shift()
    bytes += next.sizeBytes
    next.waiter?.onAppendSettled(next.slot, null)
  }
  return bytes
}
