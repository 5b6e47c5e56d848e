/** True time of a simulated world: events in a heap. Those due at one instant run in the order in which they were planned. */

export interface Planned {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
  isCancelled: boolean
}

export class Timeline {
  #nowMs = 0
  #sequence = 0
  readonly #heap: Planned[] = []

  /** True milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Planned {
    const planned = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run, isCancelled: false }
    this.#push(planned)
    return planned
  }

  /** Moves to the next event and runs it. False: none is left. */
  step(): boolean {
    for (;;) {
      const planned = this.#pop()
      if (planned === null) return false
      if (planned.isCancelled) continue
      this.#nowMs = planned.atMs
      planned.run()
      return true
    }
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let at = heap.push(planned) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(planned, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = planned
  }

  #pop(): Planned | null {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined) return null
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    return first
  }

  #sink(planned: Planned): void {
    const heap = this.#heap
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, planned)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = planned
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
