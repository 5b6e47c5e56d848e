/**
 * Proposals between being appended and being applied, in log order. Losing leadership settles nothing: the entries are
 * in the log and may still be committed, by this leader or by the next.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Effect } from '../raft/input-effect.ts'
import type { Entry } from '../raft/types.ts'
import { assertLess } from '../util/assert.ts'
import { Fifo } from '../util/fifo.ts'
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
  readonly #pending = new Fifo<Pending>()
  /** Inclusive: nothing that waits is behind it. */
  #lastIndex = 0

  get count(): number {
    return this.#pending.length
  }

  add({ firstIndex, lastIndex, term }: Accepted, deadlineMs: number): Promise<LogIndex> {
    if (this.#pending.length > 0) assertLess(this.#lastIndex, firstIndex, 'proposals wait in log order')
    this.#lastIndex = lastIndex
    return new Promise((resolve, reject) => {
      this.#pending.push({ firstIndex, lastIndex, term, deadlineMs, resolve, reject })
    })
  }

  /** `entries` were applied; dense, ascending. */
  applied(entries: readonly Entry[]): void {
    const firstIndex = entries[0]!.index
    const lastIndex = entries.at(-1)!.index
    const termOf = (index: LogIndex): Term | undefined => entries[index - firstIndex]?.term
    for (
      let next = this.#pending.peek();
      next !== undefined && next.lastIndex <= lastIndex;
      next = this.#pending.peek()
    ) {
      this.#pending.shift()
      if (termOf(next.lastIndex) === next.term) next.resolve(next.lastIndex)
      // What was applied before this call may have been its beginning.
      else if (next.firstIndex < firstIndex || termOf(next.firstIndex) === next.term) {
        next.reject(unknown('The batch was cut in two.'))
      } else next.reject(dropped())
    }
  }

  /**
   * The log lost `from` and all after it: a newer leader did not have it. Others may still, and one of them may lead next
   * and commit it, so nothing is decided by that.
   */
  truncated(from: LogIndex): void {
    const lost = this.#pending.takeTail(pending => pending.lastIndex >= from)
    for (const pending of lost) pending.reject(unknown('A newer leader did not have it.'))
    // What is proposed next takes the place of what was lost, also of what had expired before.
    this.#lastIndex = Math.min(this.#lastIndex, from - 1)
  }

  /** The log was replaced by a snapshot: what it covers was committed or overwritten, nobody here can say which. */
  replaced(): void {
    this.#rejectAll('A snapshot replaced the log.')
  }

  expire(nowMs: number): void {
    const expired = [...this.#pending].filter(pending => pending.deadlineMs <= nowMs)
    if (expired.length === 0) return
    this.#pending.removeWhere(pending => pending.deadlineMs <= nowMs)
    for (const pending of expired) pending.reject(new ApiError('REQUEST_TIMED_OUT'))
  }

  /** The driver stops: every outcome that is not known by now stays unknown. */
  abandon(reason: string): void {
    this.#rejectAll(reason)
  }

  #rejectAll(reason: string): void {
    for (const pending of this.#pending) pending.reject(unknown(reason))
    this.#pending.clear()
  }
}

/** Another entry was committed in its place: it never will be. */
function dropped(): ApiError {
  return new ApiError('NOT_CONTROLLER', 'A newer leader dropped the proposal.')
}

function unknown(reason: string): ApiError {
  return new ApiError('REQUEST_TIMED_OUT', `${reason} The proposal may or may not be committed.`)
}
