/**
 * One produce request between its appends and its answer: counts the partitions that are not yet as safe as `acks` asks.
 * One object and one promise for the whole request, one deadline for all its partitions.
 */

import type { ResponseOf } from '../protocol/api.ts'
import type { produce } from '../protocol/apis/index.ts'
import { errorCode, type Failure, noError } from '../protocol/errors.ts'
import type { AppendWaiter } from './append-waiters.ts'
import type { Deadline } from './deadlines.ts'

export type ProduceResponse = ResponseOf<typeof produce>
type PartitionResponse = ProduceResponse['partitions'][number]

export class PendingProduce implements AppendWaiter {
  readonly #partitions: PartitionResponse[]
  readonly #isSettled: boolean[]
  readonly #onFailed: (slot: number, failure: Failure) => void
  #unsettled: number
  #deadline: Deadline | null = null
  #onDone: ((response: ProduceResponse) => void) | null = null
  /** Partitions that were refused or failed. */
  failures = 0

  /** Every partition begins as not settled. */
  constructor(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    onFailed: (slot: number, failure: Failure) => void,
  ) {
    this.#onFailed = onFailed
    this.#partitions = partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      errorCode: noError,
      errorMessage: null,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: -1,
    }))
    this.#isSettled = partitions.map(() => false)
    this.#unsettled = partitions.length
  }

  get isDone(): boolean {
    return this.#unsettled === 0
  }

  /** The append of partition `slot` went into the log; whether it counts is said by `onAppendSettled`. */
  onAppended(slot: number, baseOffset: number, logAppendTimeMs: number, logStartOffset: number): void {
    const response = this.#partitions[slot]!
    response.baseOffset = baseOffset
    response.logAppendTimeMs = logAppendTimeMs
    response.logStartOffset = logStartOffset
  }

  onAppendSettled(slot: number, failure: Failure | null): void {
    if (this.#isSettled[slot]) return
    this.#isSettled[slot] = true
    if (failure !== null) this.#fail(slot, failure)
    this.#unsettled -= 1
    if (this.#unsettled > 0) return
    this.#deadline?.cancel()
    this.#onDone?.({ partitions: this.#partitions })
  }

  /** What is not settled by now fails. The appends stay in the log: only their outcome is not known in time. */
  expire(failureOf: (slot: number) => Failure): void {
    for (const [slot, isSettled] of this.#isSettled.entries()) {
      if (!isSettled) this.onAppendSettled(slot, failureOf(slot))
    }
  }

  /**
   * What `finish` makes of the answer: at once if nothing waits, else as soon as everything is settled or `startDeadline`'s time
   * is over.
   */
  answer<T>(startDeadline: () => Deadline, finish: (response: ProduceResponse) => T): T | Promise<T> {
    if (this.isDone) return finish({ partitions: this.#partitions })
    this.#deadline = startDeadline()
    return new Promise(resolve => {
      this.#onDone = response => resolve(finish(response))
    })
  }

  #fail(slot: number, failure: Failure): void {
    const response = this.#partitions[slot]!
    this.failures += 1
    response.errorCode = errorCode(failure.error)
    response.errorMessage = failure.message
    response.baseOffset = -1
    response.logAppendTimeMs = -1
    response.logStartOffset = -1
    this.#onFailed(slot, failure)
  }
}
