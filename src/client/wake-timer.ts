/** One timer for many moments: wakes at the earliest asked for. A wake-up that turns out too early does no harm. */
import type { Clock, Timer } from '../util/clock.ts'

export class WakeTimer {
  readonly #clock: Clock
  readonly #onWake: () => void
  #timer: Timer | null = null
  #atMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, onWake: () => void) {
    this.#clock = clock
    this.#onWake = onWake
  }

  /** Wakes at `atMs` on the monotonic clock at the latest; infinity asks for nothing. */
  wakeAt(atMs: number): void {
    if (atMs >= this.#atMs) return
    this.#timer?.cancel()
    this.#atMs = atMs
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#timer = null
      this.#atMs = Number.POSITIVE_INFINITY
      this.#onWake()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#atMs = Number.POSITIVE_INFINITY
  }
}
