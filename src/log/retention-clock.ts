/**
 * The wall clock as far as retention may believe it. A clock that jumps forward (a bad time server, a wrong hand) would
 * make every record look expired, and deletion cannot be undone. So wall time is compared with monotonic time: a jump
 * ahead is not followed until it has stood for a day. Backward jumps are followed at once: they only delete later.
 */
import { dayMs, minuteMs } from '../util/units.ts'

/** What clocks may gain between two looks: slewing, and a little at once. */
const toleratedMs = minuteMs
const toleratedShare = 0.1
const holdMs = dayMs

export class RetentionClock {
  #wallMs: number
  #monotonicMs: number
  /** Since when, by the monotonic clock, the wall clock has been ahead of belief. */
  #aheadSinceMs: number | null = null

  constructor(wallClockMs: number, nowMs: number) {
    this.#wallMs = wallClockMs
    this.#monotonicMs = nowMs
  }

  /** The time to judge ages by. */
  believe(wallClockMs: number, nowMs: number): number {
    const elapsedMs = nowMs - this.#monotonicMs
    const dueMs = this.#wallMs + elapsedMs
    const isAhead = wallClockMs > dueMs + toleratedMs + elapsedMs * toleratedShare
    if (!isAhead) this.#aheadSinceMs = null
    else this.#aheadSinceMs ??= nowMs
    const isHeld = this.#aheadSinceMs !== null && nowMs - this.#aheadSinceMs < holdMs
    this.#wallMs = isHeld ? dueMs : wallClockMs
    this.#monotonicMs = nowMs
    if (!isHeld) this.#aheadSinceMs = null
    return this.#wallMs
  }
}
