/** Turns time into ticks. One timer; a late one is made up for, so that a blocked event loop counts as the silence it was. */
import type { Clock, Timer } from '../util/clock.ts'

export class Ticker {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #electionTimeoutTicks: number
  readonly #onTicks: (count: number) => void
  #nextMs: number
  #timer: Timer
  #isStopped = false

  /** A pause is made up for up to two election timeouts: longer ones change nothing more. */
  constructor(clock: Clock, tickMs: number, electionTimeoutTicks: number, onTicks: (count: number) => void) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#electionTimeoutTicks = electionTimeoutTicks
    this.#onTicks = onTicks
    this.#nextMs = clock.nowMs() + tickMs
    this.#timer = this.#arm()
  }

  /**
   * Ticks now if the timer is late by an election timeout. Called before anything else that a pause may have kept waiting
   * is looked at: whoever was away for so long must not answer as if it had not been.
   */
  catchUp(): void {
    const lateMs = this.#clock.nowMs() - this.#nextMs
    if (this.#isStopped || lateMs < (this.#electionTimeoutTicks - 1) * this.#tickMs) return
    this.#timer.cancel()
    this.#onTimer()
  }

  stop(): void {
    this.#isStopped = true
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
    this.#onTicks(Math.min(due, 2 * this.#electionTimeoutTicks))
  }
}
