/**
 * What every benchmark prints: its parameters, the durability it ran with, throughput, latency percentiles and CPU
 * seconds. Latency is kept in a histogram of microseconds with three significant digits, whatever the length of the run.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { CommandContext } from '../context.ts'
import { formatCount, renderTable } from '../output.ts'

export interface LatencyMs {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly 'p99.9': number
  readonly max: number
  readonly mean: number
}

export class LatencyRecorder {
  readonly #all: RecordableHistogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 })
  #windowSumMs = 0
  #windowMaxMs = 0
  #windowCount = 0

  record(latencyMs: number): void {
    this.#all.record(Math.max(1, Math.round(latencyMs * 1000)))
    this.#windowSumMs += latencyMs
    this.#windowMaxMs = Math.max(this.#windowMaxMs, latencyMs)
    this.#windowCount++
  }

  /** Mean and maximum since the last call. */
  takeWindow(): { meanMs: number; maxMs: number } {
    const window = {
      meanMs: this.#windowCount === 0 ? 0 : this.#windowSumMs / this.#windowCount,
      maxMs: this.#windowMaxMs,
    }
    this.#windowSumMs = 0
    this.#windowMaxMs = 0
    this.#windowCount = 0
    return window
  }

  result(): LatencyMs | null {
    if (this.#all.count === 0) return null
    const at = (percentile: number): number => this.#all.percentile(percentile) / 1000
    return {
      p50: at(50),
      p95: at(95),
      p99: at(99),
      'p99.9': at(99.9),
      max: this.#all.max / 1000,
      mean: this.#all.mean / 1000,
    }
  }
}

/** Prints Kafka's sentence about once a second while the run goes on. */
export class Progress {
  readonly #context: CommandContext
  readonly #isQuiet: boolean
  readonly #verb: string
  readonly #latency: LatencyRecorder | null
  #records = 0
  #bytes = 0
  #lastRecords = 0
  #lastBytes = 0
  #lastAt = performance.now()

  constructor(
    context: CommandContext,
    options: { isQuiet: boolean; verb: 'sent' | 'received'; latency: LatencyRecorder | null },
  ) {
    this.#context = context
    this.#isQuiet = options.isQuiet
    this.#verb = options.verb
    this.#latency = options.latency
  }

  add(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
    const now = performance.now()
    if (this.#isQuiet || now - this.#lastAt < 1_000) return
    const seconds = (now - this.#lastAt) / 1_000
    const rate = (this.#records - this.#lastRecords) / seconds
    const megabytes = (this.#bytes - this.#lastBytes) / seconds / 1e6
    const window = this.#latency?.takeWindow()
    const tail =
      window === undefined
        ? ''
        : `, ${window.meanMs.toFixed(2)} ms avg latency, ${window.maxMs.toFixed(2)} ms max latency`
    this.#context.output.progress(
      `${formatCount(this.#records)} records ${this.#verb}, ${formatCount(rate)} records/sec (${megabytes.toFixed(2)} MB/sec)${tail}.`,
    )
    this.#lastAt = now
    this.#lastRecords = this.#records
    this.#lastBytes = this.#bytes
  }
}

export interface BenchResult {
  readonly parameters: Record<string, unknown>
  readonly durability: string
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  readonly latencyMs: LatencyMs | null
  readonly cpuSeconds: { readonly client: number; readonly nodes: number | null }
}

export function printResult(context: CommandContext, result: BenchResult): void {
  const recordsPerSecond = result.records / result.seconds
  const megabytesPerSecond = result.bytes / result.seconds / 1e6
  const json = { ...result, recordsPerSecond, megabytesPerSecond }
  context.output.endProgress()
  context.output.print(json, () => {
    const parameters = Object.entries(result.parameters).map(([key, value]) => `${key}=${String(value)}`)
    const fixed = (value: number | undefined): string => value?.toFixed(2) ?? '-'
    const latency = result.latencyMs
    return [
      `${parameters.join(' ')}  durability=${result.durability}`,
      renderTable(
        [
          'RECORDS',
          'RECORDS/S',
          'MB/S',
          'P50-MS',
          'P95-MS',
          'P99-MS',
          'P99.9-MS',
          'MAX-MS',
          'CLIENT-CPU-S',
          'NODE-CPU-S',
        ],
        [
          [
            formatCount(result.records),
            formatCount(recordsPerSecond),
            megabytesPerSecond.toFixed(1),
            fixed(latency?.p50),
            fixed(latency?.p95),
            fixed(latency?.p99),
            fixed(latency?.['p99.9']),
            fixed(latency?.max),
            result.cpuSeconds.client.toFixed(2),
            result.cpuSeconds.nodes?.toFixed(2) ?? '-',
          ],
        ],
      ),
    ].join('\n')
  })
}
