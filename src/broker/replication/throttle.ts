/**
 * How fast replicas that are not in sync may catch up, all followers of this broker together: a bucket that fills at the
 * configured rate and holds a second's worth. One that is overdrawn by a large batch makes the next ones wait.
 */
import type { Clock } from '../../util/clock.ts'
import { secondMs } from '../../util/units.ts'

export class CatchUpThrottle {
  readonly #clock: Clock
  readonly #bytesPerSecond: () => number
  #tokens = 0
  #filledMs: number

  /** `bytesPerSecond` may change; below 0: no limit. */
  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#filledMs = clock.nowMs() - secondMs
  }

  /** 0: bytes may go now. Else how long until they may. */
  get delayMs(): number {
    const rate = this.#bytesPerSecond()
    if (rate < 0) return 0
    this.#fill(rate)
    return this.#tokens > 0 ? 0 : Math.max(1, ((1 - this.#tokens) / Math.max(1, rate)) * secondMs)
  }

  /** What may be taken at once when something may go: a second's worth. */
  get burstBytes(): number {
    const rate = this.#bytesPerSecond()
    return rate < 0 ? Number.POSITIVE_INFINITY : Math.max(1, rate)
  }

  /** Below 0: gives back what was taken and not needed. */
  spend(bytes: number): void {
    this.#tokens -= bytes
  }

  #fill(rate: number): void {
    const nowMs = this.#clock.nowMs()
    const filled = this.#tokens + ((nowMs - this.#filledMs) / secondMs) * rate
    this.#tokens = Math.min(rate, filled)
    this.#filledMs = nowMs
  }
}
