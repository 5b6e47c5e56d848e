/**
 * Time for the client's tests: stands still until nothing else can happen, then jumps to the next timer. A run is a
 * function of its seed, and no test ever waits for real time.
 */
import type { Clock, Timer } from '../../src/util/clock.ts'

interface Entry {
  readonly atMs: number
  readonly order: number
  fn: (() => void) | null
}

export class VirtualClock implements Clock {
  #nowMs = 0
  #order = 0
  #timers: Entry[] = []
  #deferred: Array<() => void> = []

  nowMs(): number {
    return this.#nowMs
  }

  wallClockMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fn }
    this.#timers.push(entry)
    return {
      cancel: () => {
        entry.fn = null
      },
    }
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn)
  }

  get timerCount(): number {
    return this.#timers.filter(entry => entry.fn !== null).length
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    do {
      await turn()
      for (const fn of this.#deferred.splice(0)) fn()
      await turn()
    } while (this.#deferred.length > 0)
  }

  /** Lets time pass until `promise` settles. Throws when nothing is left that could settle it. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    await this.runUntil(() => isSettled)
    return promise
  }

  async runUntil(condition: () => boolean): Promise<void> {
    for (let steps = 0; ; steps++) {
      await this.settle()
      if (condition()) return
      if (steps > 200_000) throw new Error('virtual time: no end in sight')
      if (!this.#fireNext()) throw new Error('virtual time: nothing is left to happen, and the condition does not hold')
    }
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await this.settle()
    while (this.#next() !== undefined && this.#next()!.atMs <= untilMs) {
      this.#fireNext()
      await this.settle()
    }
    this.#nowMs = untilMs
  }

  #next(): Entry | undefined {
    this.#timers = this.#timers.filter(entry => entry.fn !== null)
    return this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
  }

  #fireNext(): boolean {
    const next = this.#next()
    if (next === undefined) return false
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    const { fn } = next
    next.fn = null
    fn!()
    return true
  }
}

/** One turn of the real event loop: all promises that can settle have. */
function turn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
