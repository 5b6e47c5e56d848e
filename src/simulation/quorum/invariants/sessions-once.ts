/** A request takes effect once, however often it was sent, to whomever (thesis, section 6.3: client sessions). */
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import type { Command } from '../register-machine.ts'
import { hold, type Invariant } from './invariant.ts'

export class SessionsOnce implements Invariant {
  readonly #executedAt = new Map<string, LogIndex>()

  executed(_member: NodeId, index: LogIndex, { client, request }: Command): void {
    const key = `${client}/${request}`
    const known = this.#executedAt.get(key)
    hold(known === undefined || known === index, 'sessions', () => `${key} took effect at ${known} and at ${index}`)
    this.#executedAt.set(key, index)
  }
}
