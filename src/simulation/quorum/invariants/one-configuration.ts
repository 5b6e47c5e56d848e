/**
 * At most one change of membership is under way: no log holds two configurations that nobody has committed (Ongaro and
 * Ousterhout 2014, section 6; thesis, section 4.1), and a change is an own-term leader's (Ongaro, raft-dev, 2015).
 */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import { toLogIndex } from '../../../util/numbers.ts'
import type { CommittedLog } from './committed-log.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class OneConfiguration implements Invariant {
  readonly #committed: CommittedLog

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  stepped({ id, raft }: MemberView, _input: Input, effects: readonly Effect[]): void {
    const isChanged = effects.some(
      effect => effect.kind === 'persist' && effect.entries.some(entry => entry.kind === 'configuration'),
    )
    if (!isChanged) return
    const { highestIndex } = this.#committed
    // The last committed one is the first of them.
    const open = raft.configurations.possible(toLogIndex(highestIndex)).length - 1
    hold(open <= 1, 'one uncommitted configuration', () => `${id} has ${open} behind ${highestIndex}`)
  }
}
