/** A gauge with a series for each partition, up to a number of them: there may be thousands. */
import type { Registry } from 'prom-client'
import { registerMetric, type Sample } from './metric.ts'
import type { PartitionView } from './metrics-sources.ts'

export type RegisterSeries = (name: string, help: string, value: (partition: PartitionView) => number) => void

/** Registers gauges of the first `seriesMax` of what `read` returns at each scrape. */
export function partitionSeries(
  registry: Registry,
  read: () => readonly PartitionView[],
  seriesMax: number,
): RegisterSeries {
  return (name, help, value) =>
    registerMetric(registry, {
      name,
      help,
      type: 'gauge',
      read: (): Sample[] =>
        read()
          .slice(0, seriesMax)
          .map(p => ({ labels: { topic: p.topic, partition: p.partition }, value: value(p) })),
    })
}
