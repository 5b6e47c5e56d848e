/**
 * Time as an event queue: nothing happens until the driver steps. Callbacks due at the same instant run in the order
 * in which they were asked for, so a run is a function of its inputs.
 */
import type { Clock, Timer } from '../util/clock.ts'

interface Event {
  readonly atMs: number
  readonly sequence: number
  readonly fn: () => void
  isCancelled: boolean
}

export class VirtualClock implements Clock {
  readonly #events: Event[] = []
  #nowMs = 0
  #wallOffsetMs: number
  #sequence = 0

  /** `wallClockMs`: what the wall clock shows at the start. */
  constructor(options: { wallClockMs?: number } = {}) {
    this.#wallOffsetMs = options.wallClockMs ?? 1_700_000_000_000
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallClockMs(): number {
    return Math.floor(this.#nowMs + this.#wallOffsetMs)
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const event = this.#schedule(this.#nowMs + Math.max(0, delayMs), fn)
    return {
      cancel: () => {
        event.isCancelled = true
      },
    }
  }

  defer(fn: () => void): void {
    this.#schedule(this.#nowMs, fn)
  }

  /** The wall clock jumps, as by a bad NTP server; monotonic time does not notice. */
  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Time of the next event, or `null` when none is waiting. */
  nextEventMs(): number | null {
    this.#dropCancelled()
    return this.#events[0]?.atMs ?? null
  }

  /** Runs the next event, moving time to it. False: none was waiting. */
  step(): boolean {
    this.#dropCancelled()
    const event = this.#events.shift()
    if (event === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, event.atMs)
    event.fn()
    return true
  }

  /** Runs what is due now, without moving time. Returns how many events ran. */
  runDue(): number {
    let count = 0
    for (let at = this.nextEventMs(); at !== null && at <= this.#nowMs; at = this.nextEventMs()) {
      this.step()
      count++
    }
    return count
  }

  /** Moves time forward by `ms`, running everything that falls due on the way. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (let at = this.nextEventMs(); at !== null && at <= endMs; at = this.nextEventMs()) this.step()
    this.#nowMs = endMs
  }

  #schedule(atMs: number, fn: () => void): Event {
    const event = { atMs, sequence: this.#sequence++, fn, isCancelled: false }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#events[middle]!.atMs <= atMs) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
    return event
  }

  #dropCancelled(): void {
    while (this.#events[0]?.isCancelled === true) this.#events.shift()
  }
}
