/** A run second by second: a stall that percentiles of the whole run hide is seen here, and when it was. */
import { LatencyRecorder } from './latency.ts'

export interface SeriesPoint {
  /** Since measuring began, at the end of the interval. */
  readonly seconds: number
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
  /** Of what was answered in the interval; `null` when nothing was, or when nothing is timed. */
  readonly meanMs: number | null
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly maxMs: number | null
}

const intervalMs = 1_000

export class Series {
  readonly points: SeriesPoint[] = []
  readonly #latency = new LatencyRecorder()
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout
  #lastAt = this.#startedAt
  #records = 0
  #bytes = 0

  /** Tells each point as it is made. */
  constructor(onPoint: (point: SeriesPoint) => void) {
    this.#timer = setInterval(() => onPoint(this.#close()), intervalMs)
  }

  add(records: number, bytes: number, latencyMs: number | null): void {
    this.#records += records
    this.#bytes += bytes
    if (latencyMs !== null) this.#latency.record(latencyMs)
  }

  /** A last interval that is too short to say anything is left out, unless it is the only one. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.points.length === 0 || performance.now() - this.#lastAt > intervalMs / 2) this.#close()
  }

  #close(): SeriesPoint {
    const now = performance.now()
    const seconds = (now - this.#lastAt) / 1_000
    const latency = this.#latency.result()
    const point = {
      seconds: (now - this.#startedAt) / 1_000,
      recordsPerSecond: this.#records / seconds,
      megabytesPerSecond: this.#bytes / seconds / 1e6,
      meanMs: latency?.mean ?? null,
      p50Ms: latency?.p50 ?? null,
      p99Ms: latency?.p99 ?? null,
      maxMs: latency?.max ?? null,
    }
    this.points.push(point)
    this.#latency.reset()
    this.#lastAt = now
    this.#records = 0
    this.#bytes = 0
    return point
  }
}
