/** Turns time into ticks. One timer; a late one is made up for, so that a blocked event loop counts as the silence it was. */
import type { Clock, Timer } from '../util/clock.ts'

export class Ticker {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #catchUpTicksMax: number
  readonly #onTicks: (count: number) => void
  #nextMs: number
  #timer: Timer

  /** `catchUpTicksMax` bounds how much of a long pause is made up for. */
  constructor(clock: Clock, tickMs: number, catchUpTicksMax: number, onTicks: (count: number) => void) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#catchUpTicksMax = catchUpTicksMax
    this.#onTicks = onTicks
    this.#nextMs = clock.nowMs() + tickMs
    this.#timer = this.#arm()
  }

  stop(): void {
    this.#timer.cancel()
  }

  #arm(): Timer {
    return this.#clock.setTimer(Math.max(0, this.#nextMs - this.#clock.nowMs()), () => this.#onTimer())
  }

  #onTimer(): void {
    const lateMs = Math.max(0, this.#clock.nowMs() - this.#nextMs)
    const due = 1 + Math.floor(lateMs / this.#tickMs)
    this.#nextMs += due * this.#tickMs
    // Armed first: whatever a tick leads to, `stop` finds the timer that is running.
    this.#timer = this.#arm()
    this.#onTicks(Math.min(due, this.#catchUpTicksMax))
  }
}
