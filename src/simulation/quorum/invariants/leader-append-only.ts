/** A leader only appends to its log (Ongaro and Ousterhout 2014, figure 3: Leader Append-Only). */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'leader append-only'

interface Led {
  readonly term: number
  readonly lastIndex: LogIndex
  readonly lastTerm: number
}

export class LeaderAppendOnly implements Invariant {
  readonly #led = new Map<NodeId, Led>()

  started({ id }: MemberView): void {
    this.#led.delete(id)
  }

  stepped({ id, raft }: MemberView, _input: Input, effects: readonly Effect[]): void {
    const { log, term } = raft
    if (raft.role.kind !== 'leader') {
      this.#led.delete(id)
      return
    }
    const before = this.#led.get(id)
    if (before?.term === term) {
      const isCut = effects.some(effect => effect.kind === 'truncated')
      hold(!isCut && log.lastIndex >= before.lastIndex, name, () => `${id} cut its log in term ${term}`)
      const kept = log.termAt(before.lastIndex)
      // Behind a snapshot it is not known any more.
      const isSame = kept === null ? before.lastIndex < log.baseIndex : kept === before.lastTerm
      hold(isSame, name, () => `${id} rewrote entry ${before.lastIndex} in term ${term}`)
    }
    if (before?.lastIndex === log.lastIndex && before.term === term) return
    this.#led.set(id, { term, lastIndex: log.lastIndex, lastTerm: log.lastTerm })
  }
}
