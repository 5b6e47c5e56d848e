/** Exact percentiles of a bounded number of samples. Benchmarks that keep every sample use it; long ones use a histogram. */
export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export function percentilesOf(samples: readonly number[]): Percentiles {
  const sorted = Float64Array.from(samples).sort()
  const at = (fraction: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: sorted[sorted.length - 1] ?? Number.NaN }
}
