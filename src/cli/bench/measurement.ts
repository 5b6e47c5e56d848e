/**
 * One run: warm-up, then what is measured, second by second while it goes on and as a whole at the end. What was sent
 * during the warm-up counts for nothing, whenever it is answered.
 */
import type { CommandContext } from '../context.ts'
import { formatCount } from '../output.ts'
import { type ClusterCost, type CostMeter, type NodeReadings, readNodes, startCostMeter } from './cluster.ts'
import { type LatencyMs, LatencyRecorder } from './latency.ts'
import { Series, type SeriesPoint } from './series.ts'

export interface MeasurementOptions {
  /** Measured in all. */
  readonly records: number
  /** Milliseconds from when measuring began. */
  readonly duration?: number
  readonly warmup: Warmup
  readonly quiet?: boolean
}

export type Warmup = { readonly records: number } | { readonly ms: number }

export interface Figures extends ClusterCost {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** From when a send was due, or began, to its answer; `null` when nothing is timed. */
  readonly latencyMs: LatencyMs | null
  /** From when a send was due to when it began: how late the client was. Only at a rate. */
  readonly sendDelayMs: LatencyMs | null
  readonly series: readonly SeriesPoint[]
}

export class Measurement {
  readonly #context: CommandContext
  readonly #options: MeasurementOptions
  readonly #verb: 'sent' | 'received'
  readonly #latency = new LatencyRecorder()
  readonly #sendDelay = new LatencyRecorder()
  readonly #preparedAt = performance.now()
  readonly #nodesAtFirst: NodeReadings
  #warmupRecords = 0
  #takenRecords = 0
  #records = 0
  #bytes = 0
  #measuring: { readonly startedAt: number; readonly series: Series; readonly cost: CostMeter } | null = null
  #lastAt = 0

  private constructor(
    context: CommandContext,
    options: MeasurementOptions,
    verb: 'sent' | 'received',
    nodesAtFirst: NodeReadings,
  ) {
    this.#context = context
    this.#options = options
    this.#verb = verb
    this.#nodesAtFirst = nodesAtFirst
  }

  /** Nothing may be sent before it resolves. */
  static async prepare(
    context: CommandContext,
    options: MeasurementOptions,
    verb: 'sent' | 'received',
  ): Promise<Measurement> {
    return new Measurement(context, options, verb, await readNodes(context))
  }

  /**
   * What records are whose handling begins now. What was due during the warm-up belongs to it, however late it is; how late
   * the last ones are does not make the run longer.
   */
  take(records: number, dueAt: number | null = null): 'warmup' | 'measured' | 'over' {
    const { signal } = this.#context
    if (signal.aborted) return 'over'
    if (this.#measuring === null && !this.#isWarm(dueAt ?? performance.now())) {
      this.#warmupRecords += records
      return 'warmup'
    }
    const { startedAt } = (this.#measuring ??= this.#begin())
    const { records: recordsMax, duration } = this.#options
    if (this.#takenRecords >= recordsMax) return 'over'
    if (duration !== undefined && performance.now() - startedAt > duration) return 'over'
    this.#takenRecords += records
    return 'measured'
  }

  /** Measured records that are done. */
  add(records: number, bytes: number, latencyMs: number | null = null): void {
    this.#records += records
    this.#bytes += bytes
    this.#lastAt = performance.now()
    this.#measuring!.series.add(records, bytes, latencyMs)
    if (latencyMs !== null) this.#latency.record(latencyMs)
  }

  addSendDelay(delayMs: number): void {
    this.#sendDelay.record(delayMs)
  }

  async finish(): Promise<Figures> {
    const { startedAt, series, cost } = (this.#measuring ??= this.#begin())
    series.stop()
    this.#context.output.endProgress()
    return {
      records: this.#records,
      bytes: this.#bytes,
      seconds: (Math.max(this.#lastAt, startedAt) - startedAt) / 1_000,
      latencyMs: this.#latency.result(),
      sendDelayMs: this.#sendDelay.result(),
      series: series.points,
      ...(await cost.stop()),
    }
  }

  #isWarm(at: number): boolean {
    const { warmup } = this.#options
    return 'records' in warmup ? this.#warmupRecords >= warmup.records : at - this.#preparedAt >= warmup.ms
  }

  #begin(): { startedAt: number; series: Series; cost: CostMeter } {
    const series = new Series(point => this.#tell(point))
    this.#context.cleanups.defer(() => series.stop())
    const nodesBefore = this.#warmupRecords === 0 ? this.#nodesAtFirst : readNodes(this.#context)
    return { startedAt: performance.now(), series, cost: startCostMeter(this.#context, nodesBefore) }
  }

  /** Kafka's sentence. */
  #tell({ recordsPerSecond, megabytesPerSecond, meanMs, maxMs }: SeriesPoint): void {
    if (this.#options.quiet === true) return
    const rate = `${formatCount(recordsPerSecond)} records/sec (${megabytesPerSecond.toFixed(2)} MB/sec)`
    const latency = meanMs === null ? '' : `, ${meanMs.toFixed(2)} ms avg latency, ${maxMs!.toFixed(2)} ms max latency`
    this.#context.output.progress(`${formatCount(this.#records)} records ${this.#verb}, ${rate}${latency}.`)
  }
}
