/** Figures as a person reads them, and the Markdown tables of a run. */
import type { RawResult } from '../limits/raw-lmdb.ts'
import type { PointResult, Results } from './results.ts'
import { type Spread, spreadOf } from './statistics.ts'
import { flatPart, limitRatio, type Measure, scalingsOf, spreadOfMeasure, systemRatio, systemsOf } from './summary.ts'
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
export function formatSpread(spread: Spread | null, format = formatNumber): string {
  if (spread === null) return '–'
  const { median, min, max, count } = spread
  return count === 1 ? format(median) : `${format(median)} (${format(min)}–${format(max)})`
}

/** Tables of what was measured: all points, and then what is read across several of them. */
export function markdownOf(results: Results): string {
  return [pointTable(results), peerTable(results), scaleTable(results), startTable(results), raftTable(results)]
    .filter(({ rows }) => rows.length > 0)
    .map(renderTable)
    .join('\n\n')
}

export interface Table {
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function renderTable({ heads, rows }: Table): string {
  return [heads, heads.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

function pointTable({ points }: Results): Table {
  const heads = ['workload', 'system', 'records/s', 'p50 ms', 'p99 ms', 'CPU s/GB', 'to the limit']
  const rows = points.flatMap(result =>
    systemsOf([result]).map(system => {
      const cell = (measure: Measure): string => formatSpread(spreadOfMeasure(result, system, measure))
      const limit = limitRatio(result, system)
      const toLimit = limit === null ? '–' : `${formatSpread(limit.spread)} of ${limit.measure}`
      return [nameOf(result.point), system, cell('rate'), cell('p50'), cell('p99'), cell('cpuPerGB'), toLimit]
    }),
  )
  return { heads, rows }
}

/** The first system beside each of the others, repetition by repetition. */
function peerTable({ points }: Results): Table {
  const compared: readonly Measure[] = ['rate', 'p50', 'p99', 'p99.9', 'cpuPerGB']
  const heads = ['workload', 'beside', 'records/s', 'p50', 'p99', 'p99.9', 'CPU s/GB']
  const rows = points.flatMap(result => {
    const [ours, ...peers] = systemsOf([result])
    return peers.flatMap(peer => {
      const ratios = compared.map(measure => systemRatio(result, ours!, peer, measure))
      if (ratios.every(ratio => ratio === null)) return []
      return [[nameOf(result.point), peer, ...ratios.map(ratio => formatSpread(ratio))]]
    })
  })
  return { heads, rows }
}

/** Cost per record against scale. */
export function scaleTable({ points }: Results): Table {
  const heads = ['scale', 'at', 'system', 'records/s', 'CPU s/million', '÷ the first', `within ±${100 * flatPart} %`]
  const rows = scalingsOf(points).flatMap(({ workload, system, steps }) =>
    steps.map(({ name, recordsPerSecond, cpuSecondsPerMillion, ratio, isFlat }) => [
      workload,
      name,
      system,
      formatSpread(recordsPerSecond),
      formatSpread(cpuSecondsPerMillion),
      formatSpread(ratio),
      isFlat ? 'yes' : 'no',
    ]),
  )
  return { heads, rows }
}

/** Nodes that were started for each run: what that took, what they hold when idle, and what they and a new client do first. */
export function startTable({ points }: Results): Table {
  const heads = [
    'started anew',
    'system',
    'first record, s',
    'ours ÷ it',
    'idle, MB',
    'ours ÷ it',
    'records/s',
    'from disk',
  ]
  const rows = points
    .filter(({ point }) => point.workload.isCold)
    .flatMap(result => {
      const [ours, ...peers] = systemsOf([result])
      return [ours!, ...peers].map(system => {
        const cells = (measure: Measure): string[] => [
          formatSpread(spreadOfMeasure(result, system, measure)),
          formatSpread(systemRatio(result, ours!, system, measure)),
        ]
        const rate = formatSpread(spreadOfMeasure(result, system, 'rate'))
        return [
          nameOf(result.point),
          system,
          ...cells('firstRecord'),
          ...cells('idleMB'),
          rate,
          fromDisk(result, system),
        ]
      })
    })
  return { heads, rows }
}

function fromDisk({ runs }: PointResult, system: string): string {
  const dropped = (runs[system] ?? []).flatMap(run => run?.start?.isPageCacheDropped ?? [])
  if (dropped.length === 0) return '–'
  return dropped.every(isDropped => isDropped) ? 'yes' : 'no: the page cache could not be emptied'
}

/** Consensus alone. */
export function raftTable({ raft }: Results): Table {
  const rateOf = (runs: readonly RawResult[]): string => formatSpread(spreadOf(runs.map(run => run.commitsPerSecond)))
  const heads = ['consensus', 'commits/s', 'beside', 'ratio', 'target']
  const rows = raft.map(({ name, of, beside, ratios, target }) => [
    ...[name, rateOf(of), rateOf(beside), formatSpread(spreadOf(ratios)), target],
  ])
  return { heads, rows }
}
