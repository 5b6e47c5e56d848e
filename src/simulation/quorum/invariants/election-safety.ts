/** At most one leader in a term (Ongaro and Ousterhout 2014, figure 3: Election Safety). */
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class ElectionSafety implements Invariant {
  readonly #leaders = new Map<number, NodeId>()

  stepped({ id, raft }: MemberView): void {
    if (raft.role.kind !== 'leader') return
    const known = this.#leaders.get(raft.term)
    if (known === undefined) this.#leaders.set(raft.term, id)
    else hold(known === id, 'election safety', () => `${known} and ${id} lead in term ${raft.term}`)
  }
}
