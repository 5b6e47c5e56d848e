/**
 * Long work that must not keep the event loop: an iterable, stepped for so many milliseconds a turn. What fits into the
 * first turn is done before the constructor returns.
 */
import type { Clock } from '../util/clock.ts'

export interface SliceListener<T> {
  onStep(value: T): void
  /** Called once, unless cancelled. */
  onEnd(): void
  /** Instead of `onEnd`, when a step or a listener threw. */
  onError(error: Error): void
}

export class Slices<T> {
  readonly #iterator: Iterator<T>
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #listener: SliceListener<T>
  #isOver = false

  constructor(steps: Iterable<T>, clock: Clock, sliceMs: number, listener: SliceListener<T>) {
    this.#iterator = steps[Symbol.iterator]()
    this.#clock = clock
    this.#sliceMs = sliceMs
    this.#listener = listener
    this.#run()
  }

  /** Nothing is called any more. Idempotent. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#iterator.return?.()
  }

  #run(): void {
    const endMs = this.#clock.nowMs() + this.#sliceMs
    try {
      while (!this.#isOver) {
        const step = this.#iterator.next()
        if (step.done === true) {
          this.#isOver = true
          this.#listener.onEnd()
          return
        }
        this.#listener.onStep(step.value)
        if (this.#clock.nowMs() >= endMs) {
          this.#clock.defer(() => this.#run())
          return
        }
      }
    } catch (error) {
      this.#isOver = true
      this.#listener.onError(error as Error)
    }
  }
}

/** Resolves when `steps` has come to its end. */
export function runInSlices(steps: Iterable<unknown>, clock: Clock, sliceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    new Slices(steps, clock, sliceMs, { onStep() {}, onEnd: resolve, onError: reject })
  })
}

/** All of it in this turn. */
export function runWhole(steps: Iterable<unknown>): void {
  const iterator = steps[Symbol.iterator]()
  while (iterator.next().done !== true);
}
