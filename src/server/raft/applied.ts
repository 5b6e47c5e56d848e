/** Waits until this member has applied the log up to an index. */
import { ApiError } from '../../protocol/errors.ts'
import type { Clock } from '../../util/clock.ts'

export class AppliedIndex {
  readonly #clock: Clock
  readonly #waiting = new Set<{ readonly index: number; readonly resolve: () => void }>()
  #index: number

  constructor(clock: Clock, index: number) {
    this.#clock = clock
    this.#index = index
  }

  advance(index: number): void {
    this.#index = index
    for (const waiting of this.#waiting) if (waiting.index <= index) waiting.resolve()
  }

  /** Rejects with `REQUEST_TIMED_OUT`. */
  reached(index: number, timeoutMs: number): Promise<void> {
    if (this.#index >= index) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#waiting.delete(waiting)
        reject(new ApiError('REQUEST_TIMED_OUT', 'This member is behind and did not catch up in time.'))
      })
      const waiting = {
        index,
        resolve: () => {
          this.#waiting.delete(waiting)
          timer.cancel()
          resolve()
        },
      }
      this.#waiting.add(waiting)
    })
  }
}
