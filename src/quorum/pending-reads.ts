/** Read barriers: first the core proves leadership (ReadIndex), then the state machine must have come that far. */
import { ApiError } from '../protocol/errors.ts'
import type { LogIndex } from '../util/numbers.ts'

interface Pending {
  /** Inclusive; `null` until leadership was confirmed. */
  index: LogIndex | null
  readonly deadlineMs: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class PendingReads {
  readonly #pending = new Map<number, Pending>()
  readonly #notLeader: () => ApiError
  #lastId = 0

  constructor(notLeader: () => ApiError) {
    this.#notLeader = notLeader
  }

  /** `start` is handed the id under which the core will answer. */
  add(deadlineMs: number, start: (id: number) => void): Promise<void> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { index: null, deadlineMs, resolve, reject })
      start(id)
    })
  }

  ready(id: number, index: LogIndex, appliedIndex: LogIndex): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    pending.index = index
    this.#resolveIfApplied(id, pending, appliedIndex)
  }

  applied(appliedIndex: LogIndex): void {
    for (const [id, pending] of this.#pending) this.#resolveIfApplied(id, pending, appliedIndex)
  }

  refused(id: number): void {
    this.#reject(id, this.#notLeader())
  }

  expire(nowMs: number): void {
    for (const [id, { deadlineMs }] of this.#pending) {
      if (deadlineMs <= nowMs) this.#reject(id, new ApiError('REQUEST_TIMED_OUT'))
    }
  }

  abandon(): void {
    for (const id of this.#pending.keys()) this.refused(id)
  }

  #resolveIfApplied(id: number, pending: Pending, appliedIndex: LogIndex): void {
    if (pending.index === null || pending.index > appliedIndex) return
    this.#pending.delete(id)
    pending.resolve()
  }

  #reject(id: number, error: ApiError): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.reject(error)
  }
}
