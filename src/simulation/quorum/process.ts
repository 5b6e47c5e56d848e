/**
 * One simulated process, from its start to its end: a clock of its own that drifts, and everything that reaches it from
 * outside, one event at a time. While it is stopped (SIGSTOP, a long collection of garbage) events wait, and its clock
 * goes on; once it is dead nothing of it ever runs again.
 */
import type { Clock, Timer } from '../../util/clock.ts'
import type { Planned, Timeline } from './timeline.ts'

/** What waits for a stopped process; the rest is lost, as from a full socket. Timers are few and never lost. */
const waitingMax = 500

/** A timer that is asked for a rest lost in rounding must move time, or whoever asks again for the rest asks for ever. */
const timerMinMs = 0.001

export class SimProcess implements Clock {
  readonly #timeline: Timeline
  readonly #rate: number
  readonly #turnMs: number
  readonly #startedMs: number
  readonly #originMs: number
  #state: 'running' | 'stopped' | 'dead' = 'running'
  #waiting: Array<() => void> = []

  /**
   * `rate`: its seconds in a true one. `originMs`: what its clock shows at the start; every boot has another. `turnMs`: how
   * long a turn of its event loop takes, during which everything that was deferred waits.
   */
  constructor(timeline: Timeline, rate: number, originMs: number, turnMs = 0) {
    this.#timeline = timeline
    this.#rate = rate
    this.#turnMs = turnMs
    this.#startedMs = timeline.nowMs
    this.#originMs = originMs
  }

  get isAlive(): boolean {
    return this.#state !== 'dead'
  }

  get isStopped(): boolean {
    return this.#state === 'stopped'
  }

  /** Something from outside reaches the process: now, when it goes on, or never. */
  receive(run: () => void): void {
    if (this.#state === 'running') run()
    else if (this.#state === 'stopped' && this.#waiting.length < waitingMax) this.#waiting.push(run)
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped'
  }

  /** Everything that waited happens, each in an event of its own. */
  resume(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'running'
    for (const run of this.#waiting.splice(0)) this.#timeline.after(0, () => this.receive(run))
  }

  kill(): void {
    this.#state = 'dead'
    this.#waiting = []
  }

  nowMs(): number {
    return this.#originMs + (this.#timeline.nowMs - this.#startedMs) * this.#rate
  }

  wallClockMs(): number {
    return Math.floor(1_700_000_000_000 + this.nowMs())
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const timer = new SimTimer()
    const trueMs = delayMs / this.#rate
    // Cancelled while it waits for a stopped process it must not run either.
    timer.planned = this.#timeline.after(trueMs > 0 ? Math.max(trueMs, timerMinMs) : 0, () => {
      if (this.#state === 'stopped') this.#waiting.push(() => (timer.planned!.isCancelled ? undefined : fn()))
      else if (this.#state === 'running') fn()
    })
    return timer
  }

  defer(fn: () => void): void {
    this.#timeline.after(this.#turnMs, () => this.receive(fn))
  }
}

/** A class, since there is one for each of hundreds of thousands of timers. */
class SimTimer implements Timer {
  planned: Planned | null = null

  cancel(): void {
    this.planned!.isCancelled = true
  }
}
