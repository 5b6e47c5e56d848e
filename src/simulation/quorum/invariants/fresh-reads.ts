/** A confirmed read sees everything that was committed anywhere before it was asked (thesis, section 6.4: ReadIndex). */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { NodeId } from '../../../util/numbers.ts'
import type { CommittedLog } from './committed-log.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'fresh reads'

export class FreshReads implements Invariant {
  readonly #committed: CommittedLog
  /** `member/read` → what was committed when it was asked. */
  readonly #asked = new Map<string, number>()

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  started({ id }: MemberView): void {
    for (const key of this.#asked.keys()) if (key.startsWith(`${id}/`)) this.#asked.delete(key)
  }

  stepped({ id }: MemberView, input: Input, effects: readonly Effect[]): void {
    if (input.kind === 'readIndex') this.#asked.set(`${id}/${input.id}`, this.#committed.highestIndex)
    for (const effect of effects) {
      if (effect.kind !== 'readReady') continue
      const least = this.#asked.get(`${id}/${effect.id}`)!
      hold(
        effect.index >= least,
        'fresh reads',
        () => `${id} answers at ${effect.index}, ${least} was committed before`,
      )
    }
  }
  /** A read is answered from a state machine that has come to `appliedIndex`; `least` was committed when it was asked. */
  answered(id: NodeId, appliedIndex: number, least: number): void {
    hold(appliedIndex >= least, name, () => `${id} answers from ${appliedIndex}, ${least} was committed before`)
  }
}
