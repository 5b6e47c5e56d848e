/**
 * At most one change of membership is under way: no log holds two configurations that nobody has committed (Ongaro and
 * Ousterhout 2014, section 6; thesis, section 4.1), and a change is an own-term leader's (Ongaro, raft-dev, 2015).
 */

import { decodeConfiguration } from '../../../raft/configuration.ts'
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { Configuration } from '../../../raft/types.ts'
import { toLogIndex } from '../../../util/numbers.ts'
import type { CommittedLog } from './committed-log.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class OneConfiguration implements Invariant {
  readonly #committed: CommittedLog
  /** All that were ever in a log, and are not known to have been overwritten. */
  #known: Array<{ readonly index: number; readonly term: number; readonly configuration: Configuration }> = []

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  stepped({ id, raft }: MemberView, _input: Input, effects: readonly Effect[]): void {
    let isChanged = false
    for (const effect of effects) {
      if (effect.kind !== 'persist') continue
      for (const entry of effect.entries) {
        if (entry.kind !== 'configuration') continue
        isChanged = true
        this.#known.push({ index: entry.index, term: entry.term, configuration: decodeConfiguration(entry) })
      }
    }
    if (!isChanged) return
    const { highestIndex } = this.#committed
    // The last committed one is the first of them.
    const open = raft.configurations.possible(toLogIndex(highestIndex)).length - 1
    hold(open <= 1, 'one uncommitted configuration', () => `${id} has ${open} behind ${highestIndex}`)
  }

  /** Every one that may be, or may yet become, the cluster's: the last committed one, and what came after it anywhere. */
  possible(): Configuration[] {
    const { highestIndex } = this.#committed
    const committed = this.#known.filter(({ index, term }) => this.#committed.termAt(index) === term)
    const lastIndex = Math.max(0, ...committed.map(({ index }) => index))
    this.#known = this.#known.filter(({ index }) => index === lastIndex || index > highestIndex)
    return this.#known.map(({ configuration }) => configuration)
  }
}
