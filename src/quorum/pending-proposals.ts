/**
 * Proposals between being appended and being applied, in log order. Losing leadership settles nothing: the entries are
 * in the log and may still be committed, by this leader or by the next.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Effect } from '../raft/input-effect.ts'
import type { Entry } from '../raft/types.ts'
import { assertLess } from '../util/assert.ts'
import type { LogIndex, Term } from '../util/numbers.ts'

type Accepted = Extract<Effect, { kind: 'accepted' }>

interface Pending {
  readonly firstIndex: LogIndex
  readonly lastIndex: LogIndex
  readonly term: Term
  readonly deadlineMs: number
  readonly resolve: (lastIndex: LogIndex) => void
  readonly reject: (error: Error) => void
}

export class PendingProposals {
  /** Ascending by index. */
  #pending: Pending[] = []

  get count(): number {
    return this.#pending.length
  }

  add({ firstIndex, lastIndex, term }: Accepted, deadlineMs: number): Promise<LogIndex> {
    const before = this.#pending.at(-1)
    if (before !== undefined) assertLess(before.lastIndex, firstIndex, 'proposals wait in log order')
    return new Promise((resolve, reject) => {
      this.#pending.push({ firstIndex, lastIndex, term, deadlineMs, resolve, reject })
    })
  }

  /** `entries` were applied; dense, ascending. */
  applied(entries: readonly Entry[]): void {
    const firstIndex = entries[0]!.index
    const lastIndex = entries.at(-1)!.index
    let count = 0
    while (count < this.#pending.length && this.#pending[count]!.lastIndex <= lastIndex) count++
    for (const pending of this.#pending.splice(0, count)) {
      const termOf = (index: LogIndex): Term | undefined => entries[index - firstIndex]?.term
      if (termOf(pending.lastIndex) === pending.term) pending.resolve(pending.lastIndex)
      // What was applied before this call may have been its beginning.
      else if (pending.firstIndex < firstIndex || termOf(pending.firstIndex) === pending.term) {
        pending.reject(unknown('The batch was cut in two.'))
      } else pending.reject(dropped())
    }
  }

  /**
   * The log lost `from` and all after it: a newer leader did not have it. Others may still, and one of them may lead next
   * and commit it, so nothing is decided by that.
   */
  truncated(from: LogIndex): void {
    const kept = this.#pending.findIndex(pending => pending.lastIndex >= from)
    if (kept === -1) return
    for (const pending of this.#pending.splice(kept)) pending.reject(unknown('A newer leader did not have it.'))
  }

  /** The log was replaced by a snapshot: what it covers was committed or overwritten, nobody here can say which. */
  replaced(): void {
    for (const pending of this.#pending.splice(0)) pending.reject(unknown('A snapshot replaced the log.'))
  }

  expire(nowMs: number): void {
    if (!this.#pending.some(pending => pending.deadlineMs <= nowMs)) return
    const expired = this.#pending.filter(pending => pending.deadlineMs <= nowMs)
    this.#pending = this.#pending.filter(pending => pending.deadlineMs > nowMs)
    for (const pending of expired) pending.reject(new ApiError('REQUEST_TIMED_OUT'))
  }

  /** The driver stops: every outcome that is not known by now stays unknown. */
  abandon(reason: string): void {
    for (const pending of this.#pending.splice(0)) pending.reject(unknown(reason))
  }
}

/** Another entry was committed in its place: it never will be. */
function dropped(): ApiError {
  return new ApiError('NOT_CONTROLLER', 'A newer leader dropped the proposal.')
}

function unknown(reason: string): ApiError {
  return new ApiError('REQUEST_TIMED_OUT', `${reason} The proposal may or may not be committed.`)
}
