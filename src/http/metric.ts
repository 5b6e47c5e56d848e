/**
 * Metrics that keep no state of their own: when prom-client's registry asks, they read plain numbers. (prom-client's own
 * counters hash their labels at every increment, which no hot path can afford.)
 */
import type { Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string | number>>

export interface Sample {
  readonly value: number
  readonly labels?: Labels
}

export interface MetricSpec {
  /** `millrace_…`, with a unit, and `_total` for what only grows. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  /** Called at each scrape. */
  readonly read: () => Iterable<Sample> | number
}

export function registerMetric(registry: Registry, spec: MetricSpec): void {
  register(registry, spec.name, () => {
    const read = spec.read()
    const samples = typeof read === 'number' ? [{ value: read }] : [...read]
    return {
      name: spec.name,
      help: spec.help,
      type: spec.type,
      aggregator: 'sum',
      values: samples.map(({ value, labels = {} }) => ({ value, labels })),
    }
  })
}

export interface HistogramSample {
  readonly labels: Labels
  /** Observations per bucket, not cumulative; one more than there are bounds, for what is above all. */
  readonly counts: ArrayLike<number>
  readonly sum: number
}

export interface HistogramSpec {
  readonly name: string
  readonly help: string
  /** Upper bounds, inclusive, in the unit of the name. */
  readonly bounds: readonly number[]
  readonly read: () => Iterable<HistogramSample>
}

export function registerHistogram(registry: Registry, spec: HistogramSpec): void {
  register(registry, spec.name, () => ({
    name: spec.name,
    help: spec.help,
    type: 'histogram',
    aggregator: 'sum',
    values: [...spec.read()].flatMap(sample => histogramValues(spec, sample)),
  }))
}

function histogramValues({ name, bounds }: HistogramSpec, { labels, counts, sum }: HistogramSample): unknown[] {
  let cumulative = 0
  const buckets = [...bounds, '+Inf' as const].map((le, i) => {
    cumulative += counts[i] ?? 0
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: cumulative }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: cumulative },
  ]
}

/** The registry needs no more of a metric than its name and a `get`. */
function register(registry: Registry, name: string, get: () => unknown): void {
  const metric = { name, get: async () => get(), reset: () => {} }
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
}
