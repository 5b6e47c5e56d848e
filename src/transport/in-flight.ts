/** What one connection's unanswered requests hold; mirrors every change into the node's budget and counters. */
import { requestOverheadBytes } from './limits.ts'
import type { ListenerCore } from './listener-core.ts'
import type { BudgetMember } from './node-budget.ts'

export class InFlight {
  readonly #core: ListenerCore
  requests = 0
  /** Bytes of the requests and `requestOverheadBytes` each. */
  bytes = 0

  constructor(core: ListenerCore) {
    this.#core = core
  }

  get isFull(): boolean {
    return this.bytes >= this.#core.limits.connectionInFlightBytesMax
  }

  /** Below half: pausing and resuming at one mark would do both for every request. */
  get hasRoom(): boolean {
    return this.bytes <= this.#core.limits.connectionInFlightBytesMax / 2
  }

  /** Returns what must be discharged when the request is answered. */
  charge(messageBytes: number, by: BudgetMember): number {
    const bytes = messageBytes + requestOverheadBytes
    this.#add(1, bytes)
    this.#core.budget.charge(bytes, by)
    return bytes
  }

  /** May release other connections, and through them this one, before it returns. */
  discharge(bytes: number): void {
    this.#add(-1, -bytes)
    this.#core.budget.discharge(bytes)
  }

  #add(requests: number, bytes: number): void {
    this.requests += requests
    this.bytes += bytes
    this.#core.stats.inFlightRequests += requests
    this.#core.stats.inFlightBytes += bytes
  }
}
