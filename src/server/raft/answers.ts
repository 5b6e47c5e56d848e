/**
 * A program's state machine as the quorum's: `apply` entry by entry, and its answers kept until the proposer, which learns
 * the index of its entries only afterwards, takes them. Nothing is kept where nobody waits.
 */
import type { CommittedEntry, StateMachine } from '../../quorum/types.ts'
import { assert } from '../../util/assert.ts'
import type { RaftStateMachine } from './types.ts'

export class AnsweringMachine<Result> implements StateMachine {
  readonly #machine: RaftStateMachine<Result>
  /** By index, ascending. Held while anybody waits, and then only what came after the last answer taken. */
  readonly #answers = new Map<number, Result>()
  #waiting = 0

  constructor(machine: RaftStateMachine<Result>) {
    this.#machine = machine
  }

  /** Runs a proposal of `count` entries that resolves, in the order of the log, with the index of the last. */
  async answersOf(count: number, propose: () => Promise<number>): Promise<Result[]> {
    this.#waiting++
    try {
      return this.#take(await propose(), count)
    } finally {
      this.#waiting--
      if (this.#waiting === 0) this.#answers.clear()
    }
  }

  apply(entries: readonly CommittedEntry[]): void {
    for (const { index, data } of entries) {
      const answer = this.#machine.apply({ index, data })
      if (this.#waiting > 0) this.#answers.set(index, answer)
    }
  }

  snapshot(): Iterable<Uint8Array> {
    return piecesOf(this.#machine.snapshot())
  }

  *restore(snapshot: Uint8Array): Iterable<void> {
    yield* this.#machine.restore(snapshot) ?? []
  }

  #take(lastIndex: number, count: number): Result[] {
    const answers: Result[] = []
    for (const [index, answer] of this.#answers) {
      if (index > lastIndex) break
      // Those before it are of proposals whose callers no longer wait.
      this.#answers.delete(index)
      if (index > lastIndex - count) answers.push(answer)
    }
    assert(answers.length === count, 'a proposal that was applied here has its answers')
    return answers
  }
}

/** A `Uint8Array` is an iterable, too: of numbers. */
export function piecesOf(snapshot: Uint8Array | Iterable<Uint8Array>): Iterable<Uint8Array> {
  return snapshot instanceof Uint8Array ? [snapshot] : snapshot
}
