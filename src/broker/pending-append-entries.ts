/** One AppendEntries request between its appends and its answer: one object and one promise for all its partitions. */
import type { ResponseOf } from '../protocol/api.ts'
import type { appendEntries } from '../protocol/apis/index.ts'
import { errorCode, type Failure, isFailure, noError } from '../protocol/errors.ts'
import { noEpoch } from '../util/numbers.ts'
import type { FollowerAnswer, ReplicaWaiter } from './following.ts'

type Answers = ResponseOf<typeof appendEntries>['partitions']

export class PendingAppendEntries implements ReplicaWaiter {
  readonly #answers: Answers
  #open: number
  #resolve: ((answers: Answers) => void) | null = null

  constructor(count: number) {
    this.#answers = new Array(count)
    this.#open = count
  }

  onReplicated(slot: number, outcome: FollowerAnswer | Failure): void {
    if (isFailure(outcome)) {
      this.#answers[slot] = { errorCode: errorCode(outcome.error), isMatch: false, endOffset: -1, hintEpoch: noEpoch }
    } else {
      const { isMatch, endOffset, hintEpoch } = outcome
      this.#answers[slot] = { errorCode: noError, isMatch, endOffset, hintEpoch }
    }
    this.#open -= 1
    if (this.#open === 0) this.#resolve?.(this.#answers)
  }

  /** At once if nothing waits for the disk. */
  answers(): Answers | Promise<Answers> {
    if (this.#open === 0) return this.#answers
    return new Promise(resolve => {
      this.#resolve = resolve
    })
  }
}
