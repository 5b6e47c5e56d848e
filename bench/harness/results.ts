/**
 * Results as JSON, in the names of the OpenMessaging Benchmark (TestResult.java): lists are second by second, `aggregated…`
 * is the whole run, latencies are milliseconds, rates are records per second. Unlike there, a latency counts from when a
 * record was due, so `publishDelayLatency`, how late the client was, is part of it.
 */
import type { ComparisonResult } from '../raft/measure.ts'
import type { Commit, Machine } from './machine.ts'
import type { Latency, Sample } from './system.ts'
import type { Point } from './workload.ts'

export const resultsFormat = 2

export interface Results {
  readonly format: typeof resultsFormat
  readonly startedAt: string
  readonly endedAt: string
  readonly machine: Machine
  readonly commit: Commit
  readonly repetitions: number
  readonly warmupSeconds: number
  readonly seconds: number
  readonly machineLimits: Readonly<Record<string, number>>
  readonly systems: readonly SystemDescription[]
  readonly points: readonly PointResult[]
  /** Consensus alone: empty when nobody asked. */
  readonly raft: readonly ComparisonResult[]
}

export interface SystemDescription {
  readonly system: string
  /** `null` if it ran; otherwise what is missing. */
  readonly skipped: string | null
  readonly clusters: readonly ClusterDescription[]
}

export interface ClusterDescription {
  readonly nodes: number
  readonly version: string
  readonly configuration: Readonly<Record<string, string>>
  /** From the start of the first process to the first record that was acknowledged. */
  readonly firstRecordSeconds: number
  /** All nodes together, before any load. */
  readonly idleBytes: number | null
}

export interface PointResult {
  readonly point: Point
  /** By system, one for each repetition; `null` where it failed or does not do that. */
  readonly runs: Readonly<Record<string, readonly (RunResult | null)[]>>
  /** One for each repetition: what the machine gives without a broker. */
  readonly limits: readonly Limit[]
  readonly failures: readonly string[]
}

export interface Limit {
  readonly name: string
  readonly recordsPerSecond: number | null
  readonly latency50pct: number | null
}

/** `aggregatedPublishLatency99pct` and the like. */
type Aggregates = Readonly<Record<`aggregated${string}`, number | Readonly<Record<string, number>>>>

export type RunResult = Aggregates & {
  readonly workload: string
  readonly driver: string
  readonly messageSize: number
  readonly topics: number
  readonly partitions: number
  readonly producersPerTopic: number
  readonly consumersPerTopic: number
  readonly beginTime: string
  readonly endTime: string
  readonly publishRate: readonly number[]
  readonly consumeRate: readonly number[]
  readonly publishLatency50pct: readonly (number | null)[]
  readonly publishLatency99pct: readonly (number | null)[]
  readonly publishLatencyMax: readonly (number | null)[]
  readonly endToEndLatency50pct: readonly (number | null)[]
  readonly endToEndLatency99pct: readonly (number | null)[]
  readonly endToEndLatencyMax: readonly (number | null)[]
  // What follows is ours.
  readonly durability: string
  readonly seconds: number
  readonly recordsPerSecond: number
  readonly cpuSeconds: { readonly client: number | null; readonly nodes: number | null }
  readonly cpuSecondsPerGB: { readonly client: number | null; readonly nodes: number | null }
  readonly peakResidentBytes: { readonly client: number | null; readonly nodes: readonly (number | null)[] }
  /** `null`: the nodes had run before. */
  readonly start: StartFacts | null
}

/** Of nodes that were started for one run. */
export interface StartFacts {
  /** As of a cluster's description. */
  readonly firstRecordSeconds: number
  readonly idleBytes: number | null
  /** Whether what was read had to come from the disk; `null` when nothing was to be read. */
  readonly isPageCacheDropped: boolean | null
}

export interface RunContext {
  readonly driver: string
  readonly point: Point
  readonly beginTime: string
  readonly endTime: string
  readonly nodesPeakBytes: readonly (number | null)[]
  readonly start: StartFacts | null
}

export function toRunResult(
  sample: Sample,
  { driver, point, beginTime, endTime, nodesPeakBytes, start }: RunContext,
): RunResult {
  const { workload } = point
  const { kind } = workload
  const series = <T>(isFor: boolean, pick: (point: Sample['series'][number]) => T): T[] =>
    isFor ? sample.series.map(pick) : []
  const recordsPerSecond = sample.seconds === 0 ? 0 : sample.records / sample.seconds
  const perGB = (cpuSeconds: number | null): number | null =>
    cpuSeconds === null || sample.bytes === 0 ? null : cpuSeconds / (sample.bytes / 1e9)
  return {
    workload: workload.name,
    driver,
    messageSize: workload.messageSize,
    topics: workload.topics,
    partitions: point.partitionsPerTopic,
    producersPerTopic: point.producers / workload.topics,
    consumersPerTopic: workload.consumers / workload.topics,
    beginTime,
    endTime,
    publishRate: series(kind !== 'consume', p => p.recordsPerSecond),
    consumeRate: series(kind !== 'produce', p => p.recordsPerSecond),
    publishLatency50pct: series(kind === 'produce', p => p.p50Ms),
    publishLatency99pct: series(kind === 'produce', p => p.p99Ms),
    publishLatencyMax: series(kind === 'produce', p => p.maxMs),
    endToEndLatency50pct: series(kind === 'end-to-end', p => p.p50Ms),
    endToEndLatency99pct: series(kind === 'end-to-end', p => p.p99Ms),
    endToEndLatencyMax: series(kind === 'end-to-end', p => p.maxMs),
    ...aggregates('PublishLatency', sample.publishLatency),
    ...aggregates('PublishDelayLatency', sample.publishDelayLatency),
    ...aggregates('EndToEndLatency', sample.endToEndLatency),
    durability: point.durability,
    seconds: sample.seconds,
    recordsPerSecond,
    cpuSeconds: { client: sample.clientCpuSeconds, nodes: sample.nodesCpuSeconds },
    cpuSecondsPerGB: { client: perGB(sample.clientCpuSeconds), nodes: perGB(sample.nodesCpuSeconds) },
    peakResidentBytes: { client: sample.clientPeakBytes, nodes: nodesPeakBytes },
    start,
  }
}

const aggregateNames = {
  mean: 'Avg',
  p50: '50pct',
  p75: '75pct',
  p95: '95pct',
  p99: '99pct',
  'p99.9': '999pct',
  'p99.99': '9999pct',
  'p99.999': '99999pct',
  max: 'Max',
  quantiles: 'Quantiles',
} as const satisfies Record<keyof Latency, string>

function aggregates(name: string, latency: Latency | null): Aggregates {
  const given = Object.entries(latency ?? {}).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    given.map(([key, value]) => [`aggregated${name}${aggregateNames[key as keyof Latency]}`, value]),
  )
}

/** Of the latency that the point is about; `null` when the system does not tell it. */
export function percentileOf(
  run: RunResult,
  point: Point,
  percentile: '50pct' | '99pct' | '999pct' | 'Max',
): number | null {
  const name = point.workload.kind === 'end-to-end' ? 'EndToEnd' : 'Publish'
  return (run[`aggregated${name}Latency${percentile}`] as number | undefined) ?? null
}

export function quantilesOf(run: RunResult, point: Point): [percentile: number, ms: number][] {
  const name = point.workload.kind === 'end-to-end' ? 'EndToEnd' : 'Publish'
  const quantiles = (run[`aggregated${name}LatencyQuantiles`] ?? {}) as Readonly<Record<string, number>>
  return Object.entries(quantiles)
    .map(([percentile, ms]): [number, number] => [Number(percentile), ms])
    .sort(([a], [b]) => a - b)
}
