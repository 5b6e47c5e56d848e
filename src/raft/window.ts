/**
 * How many appends may be under way to one follower. A deeper pipe fills the time a message travels; beyond that it only
 * makes appends wait in a queue at the follower's disk or link, where they cost latency and, as many small ones, throughput:
 * kept back with the leader they would have left as one. So the window follows the round trip (as TCP Vegas does, Brakmo
 * and Peterson 1994): it is halved when answers take longer than the path itself needs, else it grows by one a round trip.
 */
import { assert } from '../util/assert.ts'
import { Fifo } from '../util/fifo.ts'
import type { LogIndex } from '../util/numbers.ts'

interface Flight {
  readonly lastIndex: LogIndex
  readonly sentTick: number
  /** Nothing else was under way: what it takes is the path's doing, not a queue's. */
  readonly isAlone: boolean
}

/** Ticks are coarse: the same time is counted as one tick more or less, at either end. */
const slackTicks = 2

export class Window {
  /** By last index, ascending. */
  readonly #inFlight = new Fifo<Flight>()
  #limit: number
  readonly #limitMax: number
  /** What an append takes when nothing is before it; infinite until the first answer. */
  #baseTicks = Number.POSITIVE_INFINITY
  /** The last index sent when the window was made smaller, or last changed at all: once a round trip is enough. */
  #shrunkIndex = 0
  #changedIndex = 0
  /** Of the last append that was sent. */
  #sentIndex = 0

  constructor(limitMax: number) {
    assert(limitMax >= 1, 'a window holds one append at least')
    this.#limitMax = limitMax
    this.#limit = limitMax
  }

  /** Between 1 and the configured maximum. */
  get limit(): number {
    return this.#limit
  }

  get count(): number {
    return this.#inFlight.length
  }

  get hasRoom(): boolean {
    return this.#inFlight.length < this.#limit
  }

  sent(lastIndex: LogIndex, tick: number): void {
    this.#inFlight.push({ lastIndex, sentTick: tick, isAlone: this.#inFlight.length === 0 })
    this.#sentIndex = lastIndex
  }

  /** Everything up to `index` arrived. */
  answered(index: LogIndex, tick: number): void {
    const countBefore = this.#inFlight.length
    let last: Flight | null = null
    for (
      let next = this.#inFlight.peek();
      next !== undefined && next.lastIndex <= index;
      next = this.#inFlight.peek()
    ) {
      last = next
      this.#inFlight.shift()
    }
    if (last !== null) this.#judge(last, tick - last.sentTick, countBefore)
  }

  /** Nothing is under way any more that anyone waits for. What was learnt of the path stays. */
  clear(): void {
    this.#inFlight.clear()
  }

  #judge(flight: Flight, roundTripTicks: number, countBefore: number): void {
    // The path may have become longer: then it is the new measure, or the window would never grow again.
    if (flight.isAlone || roundTripTicks < this.#baseTicks) this.#baseTicks = roundTripTicks
    if (roundTripTicks > this.#baseTicks + slackTicks) {
      if (flight.lastIndex <= this.#shrunkIndex) return
      this.#limit = Math.max(1, Math.min(this.#limit, countBefore) >>> 1)
      this.#shrunkIndex = this.#sentIndex
    } else {
      if (flight.lastIndex <= this.#changedIndex) return
      this.#limit = Math.min(this.#limit + 1, this.#limitMax)
    }
    this.#changedIndex = this.#sentIndex
  }
}
