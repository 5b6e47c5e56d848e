/** What Kafka's tools, and PerfClient.java, print. */
import type { LatencyMs } from '../../../src/cli/bench/latency.ts'
import type { SeriesPoint } from '../../../src/cli/bench/series.ts'
import type { Latency } from '../../harness/system.ts'

export interface ProducerOutput {
  readonly records: number
  readonly recordsPerSecond: number
  readonly latency: Latency
}

const producerLine =
  /^(\d+) records sent, ([\d.]+) records\/sec \([\d.]+ MB\/sec\), ([\d.]+) ms avg latency, ([\d.]+) ms max latency, (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99.9th\.$/

/** The last line of ProducerPerformance. */
export function parseProducer(lines: readonly string[]): ProducerOutput {
  const found = lines.map(line => producerLine.exec(line)).findLast(match => match !== null)
  if (found == null) throw new Error(`ProducerPerformance said: ${lines.join(' / ')}`)
  const [records, recordsPerSecond, mean, max, p50, p95, p99, p999] = found.slice(1).map(Number) as number[]
  return {
    records: records!,
    recordsPerSecond: recordsPerSecond!,
    latency: { mean: mean!, max: max!, p50: p50!, p95: p95!, p99: p99!, 'p99.9': p999! },
  }
}

/** The line of ConsumerPerformance; the time in which it joined its group does not count. */
export function parseConsumer(lines: readonly string[]): { records: number; seconds: number } {
  const fields = lines.map(line => line.split(', ')).findLast(candidate => candidate.length === 10)
  if (fields === undefined) throw new Error(`ConsumerPerformance said: ${lines.join(' / ')}`)
  return { records: Number(fields[4]), seconds: Number(fields[7]) / 1_000 }
}

export interface TimedOutput {
  readonly records: number
  readonly seconds: number
  readonly latency: LatencyMs
  readonly series: readonly SeriesPoint[]
}

interface TimedLine {
  readonly records: number
  readonly seconds: number
  readonly latency: Omit<LatencyMs, 'quantiles'>
  readonly quantiles: Readonly<Record<string, number>>
  readonly series: readonly {
    readonly seconds: number
    readonly recordsPerSecond: number
    readonly latency: Omit<LatencyMs, 'quantiles'>
  }[]
}

/** The line of JSON of PerfClient's own loads. */
export function parseTimed(lines: readonly string[], recordBytes: number): TimedOutput {
  const line = lines.find(candidate => candidate.startsWith('{'))
  if (line === undefined) throw new Error(`PerfClient said: ${lines.join(' / ')}`)
  const { records, seconds, latency, quantiles, series } = JSON.parse(line) as TimedLine
  return {
    records,
    seconds,
    latency: { ...latency, quantiles },
    series: series.map(second => ({
      seconds: second.seconds,
      recordsPerSecond: second.recordsPerSecond,
      megabytesPerSecond: (second.recordsPerSecond * recordBytes) / 1e6,
      meanMs: second.latency.mean,
      p50Ms: second.latency.p50,
      p99Ms: second.latency.p99,
      maxMs: second.latency.max,
    })),
  }
}
