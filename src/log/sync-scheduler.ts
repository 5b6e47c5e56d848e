/**
 * Bounds the syncs in flight over all logs: libuv's thread pool is shared with Raft's storage, and a queue of slow
 * syncs there would look like a dead controller. First come, first served; a log asks for one sync at a time, so the
 * order is fair between logs, and the syncs of one file complete in the order in which they were issued.
 */
import type { Clock } from '../util/clock.ts'

const samplesMax = 1024

export class SyncScheduler {
  readonly #clock: Clock
  readonly #inFlightMax: number
  readonly #waiting: Array<() => void> = []
  /** Start times of the syncs in flight. */
  readonly #startedMs = new Set<{ readonly atMs: number }>()
  #samplesMs: number[] = []
  #count = 0

  constructor(clock: Clock, inFlightMax: number) {
    this.#clock = clock
    this.#inFlightMax = inFlightMax
  }

  /** Syncs completed. */
  get count(): number {
    return this.#count
  }

  get oldestMs(): number {
    for (const { atMs } of this.#startedMs) return this.#clock.nowMs() - atMs
    return 0
  }

  drainSamples(): number[] {
    const samples = this.#samplesMs
    this.#samplesMs = []
    return samples
  }

  /** Runs one sync (of a file or a directory) when there is room for it. It must not itself call `run`. */
  async run(sync: () => Promise<void>): Promise<void> {
    if (this.#startedMs.size >= this.#inFlightMax) await new Promise<void>(resolve => this.#waiting.push(resolve))
    const started = { atMs: this.#clock.nowMs() }
    this.#startedMs.add(started)
    try {
      await sync()
      this.#count++
      if (this.#samplesMs.length < samplesMax) this.#samplesMs.push(this.#clock.nowMs() - started.atMs)
    } finally {
      this.#startedMs.delete(started)
      this.#waiting.shift()?.()
    }
  }
}
