/**
 * What a caller was told to have failed for certain never takes effect (Kingsbury's Jepsen: a `fail` is a promise, an
 * `info` is none). Callers go on by it: one that retries elsewhere under another request would otherwise be served twice.
 */
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import type { Command } from '../register-machine.ts'
import { hold, type Invariant } from './invariant.ts'

const name = 'refused has no effect'

export class RefusedHasNoEffect implements Invariant {
  readonly #refused = new Set<string>()
  readonly #executed = new Set<string>()

  executed(member: NodeId, index: LogIndex, { client, request }: Command): void {
    const key = `${client}/${request}`
    hold(!this.#refused.has(key), name, () => `${key} took effect on ${member} at ${index}`)
    this.#executed.add(key)
  }

  /** Every attempt at `request` was refused. */
  refused(client: string, request: number): void {
    const key = `${client}/${request}`
    hold(!this.#executed.has(key), name, () => `${key} was refused and had taken effect`)
    this.#refused.add(key)
  }
}
