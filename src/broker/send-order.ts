/**
 * Keeps the order of what a client sends to a partition with several requests in flight: once a batch was refused, those that
 * were on their way behind it are refused too, until the client has heard of it and sends again from there. What it has heard
 * of, it says by a number that rises with everything it takes back (`sendEpoch`); so nothing has to be remembered of batches
 * that are taken, and of a refused one only where the client stood.
 */
import { type ErrorName, errorTable } from '../protocol/errors.ts'
import type { RequestContext } from '../transport/handler.ts'

/** A batch as the order sees it. */
export interface SentBatch {
  readonly topic: string
  readonly partition: number
  /** -1: its sender does not ask for order. */
  readonly sendEpoch: number
}

/** What a batch came over: every connection has a signal of its own, whichever listener it came through. */
type Origin = Pick<RequestContext, 'signal'>

/** Partitions of one connection whose refusals are told apart. */
const partitionsMax = 4_096

interface Refusals {
  /** By partition, the send epoch of what was refused. */
  readonly epochs: Map<string, number>
  /** Of those that are not told apart any more, the highest: whatever was sent in it or before may be behind one. */
  floor: number
}

export class SendOrder {
  /** By connection. Of one that is gone nothing arrives. */
  readonly #refusals = new Map<AbortSignal, Refusals>()

  /** Whether a batch before this one was refused, and its sender had not heard of it. */
  isBehindRefused(origin: Origin, batch: SentBatch): boolean {
    if (this.#refusals.size === 0 || batch.sendEpoch < 0) return false
    const refusals = this.#refusals.get(origin.signal)
    if (refusals === undefined) return false
    const { epochs, floor } = refusals
    const partition = nameOf(batch)
    const refusedEpoch = epochs.get(partition) ?? floor
    if (batch.sendEpoch <= refusedEpoch) return true
    epochs.delete(partition)
    return false
  }

  /** The batch was not taken, or what was taken did not come to be. */
  onRefused(origin: Origin, batch: SentBatch, error: ErrorName): void {
    if (batch.sendEpoch < 0 || !isSentAgain(error)) return
    const { signal } = origin
    if (signal.aborted) return
    let refusals = this.#refusals.get(signal)
    if (refusals === undefined) {
      this.#refusals.set(signal, (refusals = { epochs: new Map(), floor: -1 }))
      signal.addEventListener('abort', () => this.#refusals.delete(signal), { once: true })
    }
    const { epochs } = refusals
    const partition = nameOf(batch)
    epochs.set(partition, Math.max(batch.sendEpoch, epochs.get(partition) ?? -1))
    if (epochs.size <= partitionsMax) return
    refusals.floor = Math.max(refusals.floor, ...epochs.values())
    epochs.clear()
  }
}

/** Too large is sent again in parts. What is refused for good leaves a gap, which is no matter of order. */
function isSentAgain(error: ErrorName): boolean {
  return errorTable[error].retriable || error === 'MESSAGE_TOO_LARGE' || error === 'RECORD_LIST_TOO_LARGE'
}

function nameOf({ topic, partition }: SentBatch): string {
  return `${topic}-${partition}`
}
