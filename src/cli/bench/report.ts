/** What every benchmark prints: its parameters, the durability it ran with, throughput, latency percentiles and cost. */
import type { CommandContext } from '../context.ts'
import { formatBytes, formatCount, renderTable } from '../output.ts'
import type { LatencyMs } from './latency.ts'
import type { Figures } from './measurement.ts'

export interface BenchResult extends Figures {
  readonly parameters: Readonly<Record<string, unknown>>
  readonly durability: string
}

/** Heads of the columns that `latencyCells` fills. */
export const latencyHeads = ['P50-MS', 'P95-MS', 'P99-MS', 'P99.9-MS', 'MAX-MS']

export function latencyCells(latency: LatencyMs | null): string[] {
  const values = [latency?.p50, latency?.p95, latency?.p99, latency?.['p99.9'], latency?.max]
  return values.map(value => value?.toFixed(2) ?? '-')
}

export function parameterLine(parameters: Readonly<Record<string, unknown>>, durability: string): string {
  const pairs = Object.entries(parameters).map(([key, value]) => `${key}=${String(value)}`)
  return `${pairs.join(' ')}  durability=${durability}`
}

export function printResult(context: CommandContext, result: BenchResult): void {
  const recordsPerSecond = perSecond(result.records, result.seconds)
  const megabytesPerSecond = perSecond(result.bytes, result.seconds) / 1e6
  const { cpuSeconds, residentBytes } = result
  context.output.print({ ...result, recordsPerSecond, megabytesPerSecond }, () => {
    const heads = [
      'RECORDS',
      'RECORDS/S',
      'MB/S',
      ...latencyHeads,
      'CLIENT-CPU-S',
      'NODE-CPU-S',
      'CLIENT-RSS',
      'NODE-RSS',
    ]
    const row = [
      formatCount(result.records),
      formatCount(recordsPerSecond),
      megabytesPerSecond.toFixed(1),
      ...latencyCells(result.latencyMs),
      cpuSeconds.client.toFixed(2),
      cpuSeconds.nodes?.toFixed(2) ?? '-',
      formatBytes(residentBytes.client),
      residentBytes.nodes === null ? '-' : formatBytes(Math.max(...residentBytes.nodes)),
    ]
    return `${parameterLine(result.parameters, result.durability)}\n${renderTable(heads, [row])}`
  })
}

function perSecond(amount: number, seconds: number): number {
  return seconds === 0 ? 0 : amount / seconds
}
