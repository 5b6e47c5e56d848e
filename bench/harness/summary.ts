/** What a point comes to on a system: medians with their spread, and ratios taken repetition by repetition. */
import { type PointResult, percentileOf, type RunResult } from './results.ts'
import { groupBy, middleOf, ratioSpread, type Spread, spreadOf } from './statistics.ts'
import { type ScaleName, scaleNames, scaleOf } from './workload.ts'

/** How a run is judged: more of a rate is better, less of the others. */
export type Measure = 'rate' | 'p50' | 'p99' | 'p99.9' | 'cpuPerGB' | 'cpuPerMillion' | 'firstRecord' | 'idleMB'

const measures: Record<Measure, (run: RunResult, result: PointResult) => number | null> = {
  rate: run => run.recordsPerSecond,
  p50: (run, { point }) => percentileOf(run, point, '50pct'),
  p99: (run, { point }) => percentileOf(run, point, '99pct'),
  'p99.9': (run, { point }) => percentileOf(run, point, '999pct'),
  cpuPerGB: cpuSecondsPerGB,
  cpuPerMillion: run => {
    const perGB = cpuSecondsPerGB(run)
    return perGB === null ? null : (perGB * run.messageSize) / 1e3
  },
  firstRecord: ({ start }) => start?.firstRecordSeconds ?? null,
  idleMB: ({ start }) => (start?.idleBytes == null ? null : start.idleBytes / 1e6),
}

/** Client and nodes. */
function cpuSecondsPerGB(run: RunResult): number | null {
  const { client, nodes } = run.cpuSecondsPerGB
  return client === null || nodes === null ? null : client + nodes
}

/** One for each repetition. */
export function valuesOf(result: PointResult, system: string, measure: Measure): (number | null)[] {
  return (result.runs[system] ?? []).map(run => (run === null ? null : measures[measure](run, result)))
}

export function spreadOfMeasure(result: PointResult, system: string, measure: Measure): Spread | null {
  return spreadOf(valuesOf(result, system, measure).filter(value => value !== null))
}

/** Of one system to another at the same point. */
export function systemRatio(result: PointResult, system: string, other: string, measure: Measure): Spread | null {
  return ratioSpread(valuesOf(result, system, measure), valuesOf(result, other, measure))
}

/** To the limit of the same repetition: of the rate where there is a limit of it, otherwise of the median latency. */
export function limitRatio(result: PointResult, system: string): { measure: 'rate' | 'p50'; spread: Spread } | null {
  const measure = mainMeasure(result)
  const limits = result.limits.map(limit => (measure === 'rate' ? limit.recordsPerSecond : limit.latency50pct))
  const spread = ratioSpread(valuesOf(result, system, measure), limits)
  return spread === null ? null : { measure, spread }
}

/** What a point is about: at a given rate, and with one send at a time, the latency. */
export function mainMeasure({ point: { workload, producerRate } }: PointResult): 'rate' | 'p50' {
  return producerRate > 0 || (workload.kind === 'produce' && workload.inFlight === 1) ? 'p50' : 'rate'
}

/** The run whose main figure is in the middle. */
export function middleRun(result: PointResult, system: string): RunResult | undefined {
  const runs = (result.runs[system] ?? []).filter(run => run !== null)
  return middleOf(runs, run => measures[mainMeasure(result)](run, result) ?? 0)
}

export function systemsOf(results: readonly PointResult[]): string[] {
  return [...new Set(results.flatMap(({ runs }) => Object.keys(runs)))]
}

/** What the same load costs on a system at one place of a scale. */
export interface ScaleStep {
  /** Of the scale, and its name: `100 partitions`. */
  readonly value: number
  readonly name: string
  readonly recordsPerSecond: Spread
  readonly cpuSecondsPerMillion: Spread
  /** To the cost at the first step. */
  readonly ratio: Spread
  readonly isFlat: boolean
}

export interface Scaling {
  readonly workload: string
  readonly title: string
  readonly scale: ScaleName
  readonly system: string
  readonly steps: readonly ScaleStep[]
}

/** A cost within this part of the first step's is the same. */
export const flatPart = 0.2

/** Of the workloads that vary something, on each system that has figures. */
export function scalingsOf(points: readonly PointResult[]): Scaling[] {
  const scaled = points.filter(({ point }) => scaleOf(point.workload) !== null)
  const groups = groupBy(scaled, ({ point }) => `${point.workload.name} ${point.durability} ${point.producerRate}`)
  return [...groups.values()].flatMap(group => systemsOf(group).flatMap(system => scalingOf(group, system) ?? []))
}

function scalingOf(group: readonly PointResult[], system: string): Scaling | null {
  const { name: workload, title } = group[0]!.point.workload
  const scale = scaleOf(group[0]!.point.workload)!
  const measured = group.filter(result => spreadOfMeasure(result, system, 'cpuPerMillion') !== null)
  const steps = measured.flatMap((result): ScaleStep[] => {
    const ratio = ratioSpread(
      valuesOf(result, system, 'cpuPerMillion'),
      valuesOf(measured[0]!, system, 'cpuPerMillion'),
    )
    if (ratio === null) return []
    const value = result.point[scale]
    return [
      {
        value,
        name: scaleNames[scale](value),
        recordsPerSecond: spreadOfMeasure(result, system, 'rate')!,
        cpuSecondsPerMillion: spreadOfMeasure(result, system, 'cpuPerMillion')!,
        ratio,
        isFlat: Math.abs(ratio.median - 1) <= flatPart,
      },
    ]
  })
  return steps.length < 2 ? null : { workload, title, scale, system, steps }
}
