/** The plots of a report, each from what the results hold; a section without data is left out. */
import { quantilesOf, type Results, type RunResult } from '../harness/results.ts'
import { groupBy, type Spread } from '../harness/statistics.ts'
import {
  flatPart,
  limitRatio,
  type Measure,
  mainMeasure,
  middleRun,
  scalingsOf,
  spreadOfMeasure,
  systemRatio,
  systemsOf,
} from '../harness/summary.ts'
import { formatBytes, formatNumber } from '../harness/text.ts'
import { nameOf } from '../harness/workload.ts'
import { type Bar, barPlot } from './bar-plot.ts'
import { type Line, linePlot } from './line-plot.ts'
import { linearScale, logScale, short, ticksOf } from './svg.ts'

export interface Section {
  readonly title: string
  /** How to read it. */
  readonly lead: string
  readonly plots: readonly string[]
}

/** Classes of the page's style, in the order of the results' systems. */
export function classOf(results: Results, system: string): string {
  return `s${results.systems.findIndex(({ system: name }) => name === system)}`
}

export function sectionsOf(results: Results): Section[] {
  return [
    limitSection(results),
    peerSection(results),
    percentileSection(results),
    loadSection(results),
    timeSection(results),
    costSection(results),
    scaleSection(results),
  ].filter(({ plots }) => plots.length > 0)
}

function limitSection(results: Results): Section {
  const groupsFor = (measure: 'rate' | 'p50'): { name: string; bars: Bar[] }[] =>
    results.points.flatMap(result => {
      const bars = systemsOf([result]).flatMap((system): Bar[] => {
        const limit = limitRatio(result, system)
        if (limit === null || limit.measure !== measure) return []
        const figure = spreadOfMeasure(result, system, measure)!.median
        const note = `${limit.spread.median.toFixed(2)}  ·  ${formatNumber(figure)} ${measure === 'rate' ? 'records/s' : 'ms'}`
        return [{ name: system, ...barOf(limit.spread, classOf(results, system)), note }]
      })
      return bars.length === 0 ? [] : [{ name: nameOf(result.point), bars }]
    })
  const plots = (['rate', 'p50'] as const).flatMap(measure => {
    const groups = groupsFor(measure)
    if (groups.length === 0) return []
    const values = groups.flatMap(({ bars }) => bars.flatMap(({ whisker }) => whisker![1]))
    const scale = measure === 'rate' ? linearScale([1, ...values]) : logScale([1, ...values])
    const title = measure === 'rate' ? 'Rate, as a part of the limit' : 'Median latency, in multiples of the limit'
    return [`<h3>${title}</h3>`, barPlot({ title, scale, format: formatNumber, groups, marks: [1] })]
  })
  const lead =
    'Each figure beside what the machine gives without a broker, measured in the same round: 1 is the limit. ' +
    'Bars are medians, whiskers the range of all repetitions. More of a rate is better, less of a latency.'
  return { title: 'Against the limits of the machine', lead, plots }
}

function peerSection(results: Results): Section {
  const [ours, ...peers] = systemsOf(results.points)
  const kinds: readonly (readonly [Measure, string])[] = [
    ['rate', 'Rate: millrace ÷ peer; right of 1 is faster'],
    ['p50', 'Median latency: millrace ÷ peer; left of 1 is sooner'],
    ['p99', '99th percentile of latency: millrace ÷ peer; left of 1 is sooner'],
    ['firstRecord', 'Start to the first acknowledged record: millrace ÷ peer; left of 1 is sooner'],
    ['idleMB', 'Resident memory of an idle node: millrace ÷ peer; left of 1 is less'],
    ['cpuPerGB', 'CPU seconds per GB, all processes: millrace ÷ peer; left of 1 is cheaper'],
  ]
  const plots = kinds.flatMap(([measure, title]) => {
    const groups = results.points.flatMap(result => {
      // At a given rate all are equally fast, and a closed loop's latency is its depth by its rate.
      const isLatency = measure === 'p50' || measure === 'p99'
      if (measure !== 'cpuPerGB' && isLatency !== (mainMeasure(result) === 'p50')) return []
      const bars = peers.flatMap((peer): Bar[] => {
        const spread = systemRatio(result, ours!, peer, measure)
        return spread === null
          ? []
          : [{ name: `÷ ${peer}`, ...barOf(spread, classOf(results, peer)), note: `${formatNumber(spread.median)}×` }]
      })
      return bars.length === 0 ? [] : [{ name: nameOf(result.point), bars }]
    })
    if (groups.length === 0) return []
    const scale = logScale([0.5, 2, ...groups.flatMap(({ bars }) => bars.flatMap(({ whisker }) => [...whisker!]))])
    return [`<h3>${title}</h3>`, barPlot({ title, scale, format: short, groups, marks: [1], origin: 1 })]
  })
  const lead =
    'Ratios are taken repetition by repetition, on a logarithmic scale. Every peer ran in the same rounds, at the same durability, on the same disk, with its own client.'
  return { title: 'Beside its peers', lead, plots }
}

function percentileSection(results: Results): Section {
  const byWorkload = groupBy(
    results.points.filter(result => mainMeasure(result) === 'p50'),
    ({ point }) => point.workload.name,
  )
  const plots = [...byWorkload.values()].flatMap(group => {
    const lines = group.flatMap((result, at) =>
      systemsOf([result]).flatMap((system): Line[] => {
        const run = middleRun(result, system)
        const quantiles = run === undefined ? [] : quantilesOf(run, result.point)
        // 100 has no place on this axis: it is where the line ends.
        const points = quantiles
          .filter(([percentile]) => percentile < 100)
          .map(([percentile, ms]) => [1 / (1 - percentile / 100), ms] as const)
        const { durability, producerRate } = result.point
        const name = `${system}, ${durability}${producerRate === 0 ? '' : `, ${formatNumber(producerRate)}/s`}`
        return points.length === 0 ? [] : [{ name, className: `${classOf(results, system)} dash${at}`, points }]
      }),
    )
    if (lines.length === 0) return []
    const x = { kind: 'log', min: 1, max: 100_000 } as const
    const xTicks = [50, 90, 99, 99.9, 99.99, 99.999].map(p => ({ value: 1 / (1 - p / 100), text: `${p}%` }))
    const y = logScale(lines.flatMap(({ points }) => points.map(([, ms]) => ms)))
    return linePlot({
      title: group[0]!.point.workload.title,
      x: { label: 'percentile', scale: x, ticks: xTicks },
      y: { label: 'ms', scale: y, ticks: ticksOf(y, short) },
      lines,
    })
  })
  const lead =
    'The whole distribution of the middle run, both axes logarithmic. Latency counts from when a record was due.'
  return { title: 'Latency by percentile', lead, plots }
}

function loadSection(results: Results): Section {
  const byWorkload = groupBy(
    results.points.filter(({ point }) => point.producerRate > 0),
    ({ point }) => `${point.workload.name} ${point.durability}`,
  )
  const plots = [...byWorkload].flatMap(([name, group]) => {
    if (group.length < 2) return []
    const lines = systemsOf(group).flatMap(system =>
      (['p50', 'p99', 'p99.9'] as const).flatMap((measure, at): Line[] => {
        const points = group.flatMap(result => {
          const spread = spreadOfMeasure(result, system, measure)
          return spread === null ? [] : [[result.point.producerRate, spread.median] as const]
        })
        return points.length === 0
          ? []
          : [{ name: `${system}, ${measure}`, className: `${classOf(results, system)} dash${at}`, points }]
      }),
    )
    if (lines.length === 0) return []
    const x = logScale(group.map(({ point }) => point.producerRate))
    const y = logScale(lines.flatMap(({ points }) => points.map(([, ms]) => ms)))
    return linePlot({
      title: name,
      x: { label: 'records per second', scale: x, ticks: ticksOf(x, short) },
      y: { label: 'ms', scale: y, ticks: ticksOf(y, short) },
      lines,
      hasMarks: true,
    })
  })
  return { title: 'Latency against load', lead: 'Medians over the repetitions.', plots }
}

function timeSection(results: Results): Section {
  const seriesOf = (run: RunResult): readonly number[] =>
    run.publishRate.length > 0 ? run.publishRate : run.consumeRate
  const plots = results.points.flatMap(result => {
    const lines = systemsOf([result]).flatMap((system): Line[] => {
      const runs = (result.runs[system] ?? []).filter(run => run !== null)
      let from = 0
      const points = runs.flatMap(run => {
        const rates = seriesOf(run)
        const width = run.seconds / rates.length
        return rates.flatMap(rate => [[from, rate] as const, [(from += width), rate] as const])
      })
      return points.length === 0 ? [] : [{ name: system, className: classOf(results, system), points }]
    })
    if (lines.length === 0) return []
    const x = linearScale(lines.flatMap(({ points }) => points.map(([seconds]) => seconds)))
    const y = linearScale(lines.flatMap(({ points }) => points.map(([, rate]) => rate)))
    return linePlot({
      title: nameOf(result.point),
      x: { label: 'measured seconds, one repetition after the other', scale: x, ticks: ticksOf(x, short) },
      y: { label: 'records per second', scale: y, ticks: ticksOf(y, short) },
      lines,
      width: 350,
      height: 200,
    })
  })
  return { title: 'Throughput over time', lead: 'Second by second: a stall shows as a dip.', plots }
}

function costSection(results: Results): Section {
  const groups = results.points.flatMap(result => {
    const bars = systemsOf([result]).flatMap((system): Bar[] => {
      const run = middleRun(result, system)
      const { client, nodes } = run?.cpuSecondsPerGB ?? { client: null, nodes: null }
      if (run === undefined || client === null || nodes === null) return []
      const name = classOf(results, system)
      const parts = [
        { value: nodes, className: name },
        { value: client, className: `${name} light` },
      ]
      return [{ name: system, parts, note: `${formatNumber(nodes)} + ${formatNumber(client)} s  ·  ${memoryOf(run)}` }]
    })
    return bars.length === 0 || mainMeasure(result) === 'p50' ? [] : [{ name: nameOf(result.point), bars }]
  })
  if (groups.length === 0) return { title: '', lead: '', plots: [] }
  // One that costs a hundred times as much would leave the others no room.
  const sums = groups.flatMap(({ bars }) => bars.map(({ parts }) => parts[0]!.value + parts[1]!.value))
  const middle = sums.toSorted((a, b) => a - b)[sums.length >> 1]!
  const scale = linearScale([Math.min(Math.max(...sums), 6 * middle)])
  const title = 'CPU seconds per GB of values'
  const lead =
    'At the maximum rate, CPU seconds of the nodes (full colour) and of the client (pale) for a GB of values, of the middle run; bars that reach the edge are cut. Beside them the peak of resident memory, all nodes + client.'
  return { title: 'Cost', lead, plots: [barPlot({ title, scale, format: formatNumber, groups })] }
}

function scaleSection(results: Results): Section {
  const byWorkload = groupBy(scalingsOf(results.points), ({ workload }) => workload)
  const plots = [...byWorkload.values()].map(scalings => {
    const lines = scalings.map(({ system, steps }): Line => {
      const points = steps.map(({ value, ratio }) => [value, ratio.median] as const)
      return { name: system, className: classOf(results, system), points }
    })
    const { title, steps } = scalings.toSorted((a, b) => b.steps.length - a.steps.length)[0]!
    const x = logScale(lines.flatMap(({ points }) => points.map(([value]) => value)))
    const y = linearScale([1 + 2 * flatPart, ...lines.flatMap(({ points }) => points.map(([, ratio]) => ratio))])
    return linePlot({
      title,
      x: { label: '', scale: x, ticks: steps.map(({ value, name }) => ({ value, text: name })) },
      y: { label: 'CPU a record ÷ the first', scale: y, ticks: ticksOf(y, short) },
      lines,
      hasMarks: true,
    })
  })
  const lead = `CPU seconds of nodes and client for a record, in multiples of what it is at the first place of the scale; within ${1 - flatPart} and ${1 + flatPart} it is called flat. Everything else stays the same.`
  return { title: 'Cost per record against scale', lead, plots }
}

function memoryOf({ peakResidentBytes: { client, nodes } }: RunResult): string {
  const known = nodes.filter(bytes => bytes !== null)
  const sum = known.reduce((total, bytes) => total + bytes, 0)
  return `${known.length === 0 ? '–' : formatBytes(sum)} + ${client === null ? '–' : formatBytes(client)}`
}

function barOf({ median, min, max }: Spread, className: string): Pick<Bar, 'parts' | 'whisker'> {
  return { parts: [{ value: median, className }], whisker: [min, max] }
}
