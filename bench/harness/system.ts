/** What the runner asks of a system under measurement: Millrace, or one of its peers. */
import type { LatencyMs } from '../../src/cli/bench/latency.ts'
import type { SeriesPoint } from '../../src/cli/bench/series.ts'
import type { Durability, Point } from './workload.ts'

export interface System {
  readonly name: string
  /** What it is started with is fixed; whatever is missing here, by name, or `null` if it can run. */
  missing(): Promise<string | null>
  start(options: StartOptions): Promise<Cluster>
}

export interface StartOptions {
  readonly nodes: 1 | 3
  /** Those of the points to come. */
  readonly durabilities: ReadonlySet<Durability>
  /** On the disk that is measured. What is below it is the system's, and is removed by the runner. */
  readonly directory: string
}

export interface Cluster extends AsyncDisposable {
  readonly version: string
  /** What a reader has to know to start the same: printed in the report. */
  readonly configuration: Readonly<Record<string, string>>
  readonly pids: readonly number[]
  /**
   * From the start of the first process to the first record that was acknowledged, in a new topic, to a client of the
   * system's own that was there before and tried again and again.
   */
  readonly firstRecordSeconds: number
  /** Writes what a consume point reads, to a topic of its own that stays. `false`: as `null` of `measure`. */
  fill(point: Point, timing: Timing): Promise<boolean>
  /**
   * Runs the point: on the backlog that was filled for it, or on topics that are made for it and removed. `null`: the system,
   * or its client, does not do that.
   */
  measure(point: Point, timing: Timing): Promise<Sample | null>
  /** Ends nodes and client, and starts others in their place on the same data. */
  restart(): Promise<void>
}

export interface Timing {
  readonly warmupSeconds: number
  readonly seconds: number
  /** Of everything that is given as a size: less of it in a brief run. */
  readonly scale: number
}

/** What one run showed. Latencies are milliseconds; `null` is what was not measured. */
export interface Sample {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  readonly publishLatency: Latency | null
  readonly publishDelayLatency: Latency | null
  readonly endToEndLatency: Latency | null
  readonly series: readonly SeriesPoint[]
  readonly clientCpuSeconds: number | null
  readonly nodesCpuSeconds: number | null
  readonly clientPeakBytes: number | null
}

/** Kafka's tools tell some percentiles only. */
export type Latency = Partial<LatencyMs>
