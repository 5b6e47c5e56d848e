/**
 * One timer for many deadlines. It fires at the earliest deadline it was told of, which may have been met long ago; the
 * owner then looks at what is left and says when it wants to be called next. So a busy connection sets a timer once
 * per timeout, not once per request.
 */
import type { Clock, Timer } from '../util/clock.ts'

export class DeadlineTimer {
  readonly #clock: Clock
  /** Returns the earliest deadline left, `Infinity` for none. */
  readonly #expire: (nowMs: number) => number
  #timer: Timer | null = null
  #firesAtMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, expire: (nowMs: number) => number) {
    this.#clock = clock
    this.#expire = expire
  }

  /** `deadlineMs` on the clock's monotonic scale. */
  add(deadlineMs: number): void {
    if (deadlineMs >= this.#firesAtMs) return
    this.#timer?.cancel()
    this.#firesAtMs = deadlineMs
    this.#timer = this.#clock.setTimer(Math.max(0, deadlineMs - this.#clock.nowMs()), () => this.#fire())
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#firesAtMs = Number.POSITIVE_INFINITY
  }

  #fire(): void {
    this.#timer = null
    this.#firesAtMs = Number.POSITIVE_INFINITY
    this.add(this.#expire(this.#clock.nowMs()))
  }
}
