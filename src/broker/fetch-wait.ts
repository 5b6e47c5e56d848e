/**
 * A fetch that found too little and waits: until enough bytes have passed the high watermarks of its partitions, one of
 * them changed, its time is over, or nobody is there any more to be answered. It holds no records meanwhile.
 */

import type { Offset } from '../util/numbers.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { FetchWaiter, Partition } from './partition.ts'

/** A partition of the fetch as it was when it was read: what came since is not missed. */
export interface WaitedPartition {
  readonly partition: Partition
  readonly role: object | null
  readonly highWatermark: Offset
  readonly committedBytes: number
}

export type WaitEnd = 'woken' | 'expired' | 'gone'

export class FetchWait implements FetchWaiter {
  /** Empty, and nobody to tell, once it is over: the sets it was in may keep it a while (decision 0019). */
  #partitions: readonly WaitedPartition[]
  readonly #signal: AbortSignal
  readonly #onGone = (): void => this.#end('gone')
  readonly #deadline: Deadline
  #resolve: ((end: WaitEnd) => void) | null
  #bytesMissing: number

  private constructor(
    partitions: readonly WaitedPartition[],
    bytesMissing: number,
    delayMs: number,
    deadlines: Deadlines,
    signal: AbortSignal,
    resolve: (end: WaitEnd) => void,
  ) {
    this.#partitions = partitions
    this.#bytesMissing = bytesMissing
    this.#signal = signal
    this.#resolve = resolve
    this.#deadline = deadlines.add(delayMs, () => this.#end('expired'))
    signal.addEventListener('abort', this.#onGone, { once: true })
    for (const { partition } of partitions) partition.addFetch(this)
  }

  static until(
    partitions: readonly WaitedPartition[],
    options: { bytesMissing: number; delayMs: number; deadlines: Deadlines; signal: AbortSignal },
  ): Promise<WaitEnd> {
    const { bytesMissing, delayMs, deadlines, signal } = options
    if (signal.aborted) return Promise.resolve('gone')
    let missing = bytesMissing
    for (const { partition, role, highWatermark, committedBytes } of partitions) {
      const bytes = partition.committedBytes - committedBytes
      // What came between is for the next look to find: another role, or records that nobody counted as they came.
      const isOther = partition.role !== role || (bytes === 0 && partition.highWatermark !== highWatermark)
      if (isOther) return Promise.resolve('woken')
      missing -= bytes
    }
    if (missing <= 0) return Promise.resolve('woken')
    return new Promise(resolve => new FetchWait(partitions, missing, delayMs, deadlines, signal, resolve))
  }

  onBytesCommitted(bytes: number): void {
    this.#bytesMissing -= bytes
    if (this.#bytesMissing <= 0) this.#end('woken')
  }

  onPartitionChanged(): void {
    this.#end('woken')
  }

  #end(end: WaitEnd): void {
    const resolve = this.#resolve
    if (resolve === null) return
    this.#resolve = null
    this.#deadline.cancel()
    this.#signal.removeEventListener('abort', this.#onGone)
    for (const { partition } of this.#partitions) partition.removeFetch(this)
    this.#partitions = []
    resolve(end)
  }
}
