/**
 * Whoever has applied up to the same index has applied the same (Ongaro and Ousterhout 2014, figure 3: State Machine
 * Safety), whether entry by entry or with a snapshot: the hash of everything applied is the same on every member.
 */
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant } from './invariant.ts'

const name = 'state machine safety'

export class StateMachineSafety implements Invariant {
  /** By index; nothing where an entry was not data. */
  readonly #hashes: Array<number | undefined> = []

  applied(member: NodeId, index: LogIndex, hash: number): void {
    const known = this.#hashes[index]
    hold(known === undefined || known === hash, name, () => `${member} is in another state at ${index}`)
    this.#hashes[index] = hash
  }

  /** A snapshot is the fold of what was applied before it. */
  restored(member: NodeId, index: LogIndex, hash: number): void {
    let at: number = index
    while (at > 0 && this.#hashes[at] === undefined) at--
    const known = at === 0 ? 0 : this.#hashes[at]
    hold(known === hash, name, () => `${member} restored a snapshot of ${index} that is another state`)
  }
}
