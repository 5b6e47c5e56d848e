/** A new leader's log holds everything that was ever committed (Ongaro and Ousterhout 2014, figure 3: Leader Completeness). */
import { toLogIndex } from '../../../util/numbers.ts'
import type { CommittedLog } from './committed-log.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class LeaderCompleteness implements Invariant {
  readonly #committed: CommittedLog
  #lastTerm = 0

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  stepped({ id, raft: { role, term, log } }: MemberView): void {
    if (role.kind !== 'leader' || term <= this.#lastTerm) return
    this.#lastTerm = term
    for (let index: number = log.baseIndex; index <= this.#committed.highestIndex; index++) {
      const committed = this.#committed.termAt(index)
      if (committed === undefined) continue
      const own = log.termAt(toLogIndex(index))
      hold(own === committed, 'leader completeness', () => {
        return `leader ${id} of term ${term} has term ${own} at ${index}, committed was ${committed}`
      })
    }
  }
}
