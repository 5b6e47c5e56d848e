/**
 * What is committed anywhere is committed for ever, at one index with one term. The other invariants ask here for what
 * the whole cluster has committed, whoever is alive to remember it.
 */

import { type NodeId, toLogIndex } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class CommittedLog implements Invariant {
  /** Terms by index; a hole where only a snapshot told of it. */
  readonly #terms: Array<number | undefined> = []
  readonly #seen = new Map<NodeId, number>()
  #highest = 0

  /** Inclusive. */
  get highestIndex(): number {
    return this.#highest
  }

  termAt(index: number): number | undefined {
    return this.#terms[index]
  }

  started({ id }: MemberView): void {
    this.#seen.set(id, 0)
  }

  stepped({ id, raft: { log } }: MemberView): void {
    const before = this.#seen.get(id)!
    if (log.commitIndex === before) return
    this.#seen.set(id, log.commitIndex)
    for (let index = Math.max(log.baseIndex, before) + 1; index <= log.commitIndex; index++) {
      const term = log.termAt(toLogIndex(index))!
      const known = this.#terms[index]
      hold(known === undefined || known === term, 'committed for ever', () => {
        return `${id} commits term ${term} at ${index}, where term ${known} was committed`
      })
      this.#terms[index] = term
    }
    this.#highest = Math.max(this.#highest, log.commitIndex)
  }
}
