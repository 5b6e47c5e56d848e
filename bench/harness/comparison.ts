/** Two systems, or one at two times, point by point. */
import type { PointResult, Results } from './results.ts'
import { ratioSpread, type Spread } from './statistics.ts'
import { type Measure, mainMeasure, spreadOfMeasure, valuesOf } from './summary.ts'
import { formatSpread } from './text.ts'
import { nameOf } from './workload.ts'

export interface Side {
  readonly results: Results
  readonly system: string
}

export interface Comparison {
  readonly point: string
  readonly measure: Measure
  readonly a: Spread | null
  readonly b: Spread | null
  /** B ÷ A. */
  readonly ratio: Spread
}

/** Of the points that both have: what each is about, and what it cost. */
export function compareResults(a: Side, b: Side): Comparison[] {
  return a.results.points.flatMap(ofA => {
    const ofB = b.results.points.find(({ point }) => nameOf(point) === nameOf(ofA.point))
    return ofB === undefined
      ? []
      : measuresOf(ofA).flatMap(measure => compare(measure, ofA, a.system, ofB, b.system) ?? [])
  })
}

function measuresOf(result: PointResult): Measure[] {
  return mainMeasure(result) === 'rate'
    ? ['rate', 'cpuPerGB', 'firstRecord', 'idleMB']
    : ['p50', 'p99', 'p99.9', 'cpuPerGB']
}

function compare(measure: Measure, ofA: PointResult, a: string, ofB: PointResult, b: string): Comparison | null {
  const ratio = ratioSpread(valuesOf(ofB, b, measure), valuesOf(ofA, a, measure))
  if (ratio === null) return null
  return {
    point: nameOf(ofA.point),
    measure,
    a: spreadOfMeasure(ofA, a, measure),
    b: spreadOfMeasure(ofB, b, measure),
    ratio,
  }
}

const units: Record<Measure, string> = {
  rate: 'records/s',
  p50: 'p50 ms',
  p99: 'p99 ms',
  'p99.9': 'p99.9 ms',
  cpuPerGB: 'CPU s/GB',
  cpuPerMillion: 'CPU s/million',
  firstRecord: 'first record, s',
  idleMB: 'idle, MB',
}

/** A Markdown table. */
export function renderComparison(comparisons: readonly Comparison[]): string {
  const lines = ['| workload | what | A | B | B ÷ A | every time |', '|---|---|---|---|---|---|']
  for (const { point, measure, a, b, ratio } of comparisons) {
    const cells = [
      point,
      units[measure],
      formatSpread(a),
      formatSpread(b),
      formatSpread(ratio),
      differenceOf(ratio, measure === 'rate' ? 'more' : 'less'),
    ]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}

/** Only a ratio that is on one side of 1 in every repetition is called a difference; `better` says what is wanted. */
export function differenceOf({ min, max, count }: Spread, better: 'more' | 'less'): 'better' | 'worse' | '–' {
  if (count < 2 || (min <= 1 && max >= 1)) return '–'
  return min > 1 === (better === 'more') ? 'better' : 'worse'
}
