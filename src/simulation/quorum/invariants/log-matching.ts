/**
 * The same index and term mean the same entry and the same entry before it, and so by induction the same prefix (Ongaro
 * and Ousterhout 2014, figure 3: Log Matching).
 */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { Entry } from '../../../raft/types.ts'
import { crc32c } from '../../../util/crc32c.ts'
import { type LogIndex, toLogIndex } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

interface Known {
  readonly kind: Entry['kind']
  readonly checksum: number
  /** Of the entry before; `null` while nobody knew it. */
  termBefore: number | null
}

/** Terms of a run stay far below; one number is a cheaper key than a text. */
const termsMax = 2 ** 20

export class LogMatching implements Invariant {
  readonly #entries = new Map<number, Known>()

  stepped({ id, raft }: MemberView, _input: Input, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'persist') continue
      let termBefore = effect.entries.length === 0 ? null : raft.log.termAt(toLogIndex(effect.entries[0]!.index - 1))
      for (const entry of effect.entries) {
        this.#check(entry, termBefore, id)
        termBefore = entry.term
      }
    }
  }

  #check({ index, term, kind, data }: Entry, termBefore: number | null, id: number): void {
    const checksum = crc32c(data, 0, data.length)
    const key = index * termsMax + term
    const known = this.#entries.get(key)
    if (known === undefined) {
      this.#entries.set(key, { kind, checksum, termBefore })
      return
    }
    const isSame = known.kind === kind && known.checksum === checksum
    hold(isSame, 'log matching', () => `another ${kind} at ${place(index, term)} on ${id}`)
    known.termBefore ??= termBefore
    const isSameBefore = termBefore === null || termBefore === known.termBefore
    hold(
      isSameBefore,
      'log matching',
      () => `before ${place(index, term)}: terms ${known.termBefore} and ${termBefore}`,
    )
  }
}

function place(index: LogIndex, term: number): string {
  return `index ${index}, term ${term}`
}
