/** A report as one HTML file that needs nothing else: plots first, then the tables they are drawn from. */
import type { PointResult, Results, SystemDescription } from '../harness/results.ts'
import { type Spread, spreadOf } from '../harness/statistics.ts'
import { limitRatio, type Measure, spreadOfMeasure, systemsOf } from '../harness/summary.ts'
import {
  formatBytes,
  formatNumber,
  formatSpread,
  raftTable,
  scaleTable,
  startTable,
  type Table,
} from '../harness/text.ts'
import { nameOf } from '../harness/workload.ts'
import { classOf, sectionsOf } from './sections.ts'
import { style } from './style.ts'
import { escapeMarkup } from './svg.ts'

export function renderReport(results: Results): string {
  const sections = sectionsOf(results).map(
    ({ title, lead, plots }) =>
      `<section><h2>${escapeMarkup(title)}</h2><p>${escapeMarkup(lead)}</p><div class="plots">${plots.join('\n')}</div></section>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace benchmarks, ${escapeMarkup(results.startedAt.slice(0, 10))}</title>
<style>${style}</style>
</head>
<body>
<header><h1>Millrace benchmarks</h1>${facts(results)}${legend(results)}</header>
${sections.join('\n')}
<section><h2>All figures</h2><p>Medians, with the range over the repetitions.</p>${figures(results)}</section>
${tableSection('Cost per record against scale, in figures', scaleTable(results))}
${tableSection('Started anew', startTable(results))}
${tableSection('Consensus alone', raftTable(results))}
<section><h2>The machine alone</h2>${machineLimits(results)}</section>
<section><h2>What ran, and how</h2>${results.systems.map(describeSystem).join('\n')}</section>
${failures(results)}
</body>
</html>
`
}

function facts({ machine, commit, startedAt, endedAt, repetitions, warmupSeconds, seconds }: Results): string {
  const minutes = ((Date.parse(endedAt) - Date.parse(startedAt)) / 60_000).toFixed(1)
  const load = machine.loadAverage.toFixed(2)
  const isBusy = machine.loadAverage > machine.cores / 2
  const items = [
    `${startedAt.slice(0, 16).replace('T', ' ')} UTC, ${minutes} minutes`,
    `commit ${commit.commit}${commit.isDirty ? ', with changes' : ''}`,
    `${machine.cores} × ${machine.cpu}, ${formatBytes(machine.memoryBytes)}, ${machine.kernel}, ${machine.fileSystem}`,
    `Node ${machine.node}`,
    `${repetitions} interleaved repetitions of ${seconds} s after ${warmupSeconds} s of the same load`,
    isBusy ? `load average ${load} at the start: other work was going on` : `load average ${load} at the start`,
  ]
  const note =
    'Durability is named beside every figure: <b>os</b> acknowledges from the page cache, <b>sync</b> once the disk has it.'
  return `<ul class="facts">${items.map(item => `<li>${escapeMarkup(item)}</li>`).join('')}<li>${note}</li></ul>`
}

function legend(results: Results): string {
  const items = results.systems.map(({ system, skipped }) => {
    const name = skipped === null ? system : `${system} was skipped: ${skipped}`
    return `<span class="key"><i class="swatch ${classOf(results, system)}"></i>${escapeMarkup(name)}</span>`
  })
  return `<p>${items.join(' ')}</p>`
}

function figures(results: Results): string {
  const heads = [
    'workload',
    'what',
    'system',
    'records/s',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'CPU s/GB',
    'client late, p99 ms',
    'limit',
    'to the limit',
  ]
  const rows = results.points.flatMap(result =>
    systemsOf([result]).map(system => {
      const cell = (measure: Measure): string => formatSpread(spreadOfMeasure(result, system, measure))
      const limit = limitRatio(result, system)
      return [
        nameOf(result.point),
        result.point.workload.title,
        system,
        cell('rate'),
        cell('p50'),
        cell('p99'),
        cell('p99.9'),
        cell('cpuPerGB'),
        formatSpread(lateness(result, system)),
        result.limits[0]?.name ?? '–',
        limit === null ? '–' : `${formatSpread(limit.spread)} of ${limit.measure}`,
      ]
    }),
  )
  return table(heads, rows)
}

/** Nothing when there are no rows. */
function tableSection(title: string, { heads, rows }: Table): string {
  return rows.length === 0 ? '' : `<section><h2>${escapeMarkup(title)}</h2>${table(heads, rows)}</section>`
}

/** How late the client began its sends: at a rate this is part of the latency, and the client's own. */
function lateness(result: PointResult, system: string): Spread | null {
  const late = (result.runs[system] ?? []).map(run => run?.aggregatedPublishDelayLatency99pct as number | undefined)
  return spreadOf(late.filter(value => value !== undefined))
}

function machineLimits({ machineLimits }: Results): string {
  return table(
    ['what', 'measured'],
    Object.entries(machineLimits).map(([name, value]) => [name, formatNumber(value)]),
  )
}

function describeSystem({ system, skipped, clusters }: SystemDescription): string {
  if (skipped !== null) return `<h3>${escapeMarkup(system)}</h3><p>Skipped: ${escapeMarkup(skipped)}</p>`
  const described = clusters.map(({ nodes, version, configuration, firstRecordSeconds, idleBytes }) => {
    const idle = idleBytes === null ? '' : `, idle with ${formatBytes(idleBytes)} in all`
    const settings = Object.entries(configuration).map(([name, value]) => [name, value])
    const caption = `version ${version}, ${nodes} node${nodes === 1 ? '' : 's'}: the first record after ${firstRecordSeconds.toFixed(2)} s${idle}`
    return `<p>${escapeMarkup(caption)}</p>${table(['setting', 'value'], settings)}`
  })
  return `<h3>${escapeMarkup(system)}</h3>${described.join('\n')}`
}

function failures({ points }: Results): string {
  const messages = points.flatMap(point => point.failures)
  if (messages.length === 0) return ''
  return `<section><h2>What failed</h2><ul>${messages.map(message => `<li>${escapeMarkup(message)}</li>`).join('')}</ul></section>`
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, items: readonly string[]): string =>
    items.map(item => `<${tag}>${escapeMarkup(item)}</${tag}>`).join('')
  const body = rows.map(row => `<tr>${cells('td', row)}</tr>`).join('\n')
  return `<div class="wide"><table><thead><tr>${cells('th', heads)}</tr></thead><tbody>${body}</tbody></table></div>`
}
