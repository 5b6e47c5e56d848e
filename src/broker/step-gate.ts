/**
 * Bounds how many steps are under way at once; first come, first served. A step that finds room begins within the call.
 */
import { Fifo } from '../util/fifo.ts'

export class StepGate {
  readonly #underWayMax: number
  readonly #waiting = new Fifo<() => void>()
  #underWay = 0

  constructor(underWayMax: number) {
    this.#underWayMax = underWayMax
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.#underWay < this.#underWayMax) this.#underWay++
    // Whoever finishes hands its place on.
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await step()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }
}
