/**
 * The bytes of requests in flight over all connections of a node. At the limit every connection stops reading; below
 * half of it they go on one after the other. Who brought the limit about goes to the end of the row, so none starves.
 */
import { assertCount } from '../util/assert.ts'

export interface BudgetMember {
  /** Start no request until `release`. */
  hold(): void
  /** May charge the budget again before it returns. */
  release(): void
}

export class NodeBudget {
  readonly #bytesMax: number
  readonly #members = new Set<BudgetMember>()
  #bytes = 0
  #isExceeded = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get isExceeded(): boolean {
    return this.#isExceeded
  }

  /** A member that joins while the limit is exceeded is held at once. */
  join(member: BudgetMember): void {
    this.#members.add(member)
    if (this.#isExceeded) member.hold()
  }

  leave(member: BudgetMember): void {
    this.#members.delete(member)
  }

  charge(bytes: number, by: BudgetMember): void {
    this.#bytes += bytes
    if (this.#isExceeded || this.#bytes < this.#bytesMax) return
    this.#isExceeded = true
    if (this.#members.delete(by)) this.#members.add(by)
    for (const member of this.#members) member.hold()
  }

  discharge(bytes: number): void {
    this.#bytes -= bytes
    assertCount(this.#bytes, 'node in-flight bytes')
    if (!this.#isExceeded || this.#bytes > this.#bytesMax / 2) return
    this.#isExceeded = false
    for (const member of [...this.#members]) {
      // A member just released may have used the room up: the rest stays held until next time.
      if (this.#isExceeded) return
      if (this.#members.has(member)) member.release()
    }
  }
}
