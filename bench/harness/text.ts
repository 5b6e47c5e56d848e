/** Figures as a person reads them, and the Markdown table of a run. */
import type { Results } from './results.ts'
import type { Spread } from './statistics.ts'
import { limitRatio, type Measure, spreadOfMeasure, systemsOf } from './summary.ts'
import { nameOf } from './workload.ts'

export function formatNumber(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US')
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function formatBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(0)} MB`
}

/** The median, and the range that it is from. */
export function formatSpread(spread: Spread | null): string {
  if (spread === null) return '–'
  const { median, min, max, count } = spread
  return count === 1 ? formatNumber(median) : `${formatNumber(median)} (${formatNumber(min)}–${formatNumber(max)})`
}

export function markdownOf(results: Results): string {
  const heads = ['workload', 'system', 'records/s', 'p50 ms', 'p99 ms', 'CPU s/GB', 'to the limit']
  const lines = [row(heads), row(heads.map(() => '---'))]
  for (const result of results.points) {
    for (const system of systemsOf([result])) {
      const cell = (measure: Measure): string => formatSpread(spreadOfMeasure(result, system, measure))
      const limit = limitRatio(result, system)
      const toLimit = limit === null ? '–' : `${formatSpread(limit.spread)} of ${limit.measure}`
      lines.push(row([nameOf(result.point), system, cell('rate'), cell('p50'), cell('p99'), cell('cpuPerGB'), toLimit]))
    }
  }
  return lines.join('\n')
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
