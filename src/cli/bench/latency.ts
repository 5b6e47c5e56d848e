/** Latencies in a high dynamic range histogram: microseconds with three significant digits, whatever the length of the run. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export interface LatencyMs {
  readonly mean: number
  readonly p50: number
  readonly p75: number
  readonly p95: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly 'p99.999': number
  readonly max: number
  /** The whole distribution: milliseconds by percentile, ever closer to 100. */
  readonly quantiles: Readonly<Record<string, number>>
}

const microsecondsMax = 600_000_000

export class LatencyRecorder {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: microsecondsMax, figures: 3 })

  record(latencyMs: number): void {
    this.#histogram.record(Math.min(microsecondsMax, Math.max(1, Math.round(latencyMs * 1_000))))
  }

  reset(): void {
    this.#histogram.reset()
  }

  /** `null` when nothing was recorded. */
  result(): LatencyMs | null {
    const histogram = this.#histogram
    if (histogram.count === 0) return null
    const at = (percentile: number): number => histogram.percentile(percentile) / 1_000
    return {
      mean: histogram.mean / 1_000,
      p50: at(50),
      p75: at(75),
      p95: at(95),
      p99: at(99),
      'p99.9': at(99.9),
      'p99.99': at(99.99),
      'p99.999': at(99.999),
      max: histogram.max / 1_000,
      quantiles: Object.fromEntries(
        [...histogram.percentiles].map(([percentile, value]) => [percentile, value / 1_000]),
      ),
    }
  }
}
