/** Results of the micro-benchmarks: as JSON, as a table, and beside those of other code. */
import { differenceOf } from '../harness/comparison.ts'
import type { Commit, Machine } from '../harness/machine.ts'
import { ratioSpread, type Spread, spreadOf } from '../harness/statistics.ts'
import { formatNumber, formatSpread, renderTable } from '../harness/text.ts'
import type { CaseOnce } from './child.ts'

export const microFormat = 'millrace-micro-1'

export interface CaseResult {
  readonly name: string
  readonly operation: string
  readonly clock: 'cpu' | 'wall'
  readonly reference: string
  /** Of one operation; `null` where bytes are not what it is about. */
  readonly bytes: number | null
  /** Of one operation, and of one of the reference; one for each round, as is their ratio. */
  readonly nanoseconds: readonly number[]
  readonly referenceNanoseconds: readonly number[]
  readonly ratios: readonly number[]
}

export interface MicroResults {
  readonly format: typeof microFormat
  readonly startedAt: string
  readonly machine: Machine
  readonly commit: Commit
  readonly rounds: number
  /** Of either side, in each round. */
  readonly seconds: number
  readonly cases: readonly CaseResult[]
  /** Of the other checkout, if there was one. */
  readonly before: readonly CaseResult[] | null
}

/** What each round found, put together by case. Every round has measured all of them. */
export function gather(rounds: readonly (readonly CaseOnce[])[]): CaseResult[] {
  return rounds[0]!.map(({ name, operation, clock, reference, bytes }, at) => {
    const each = rounds.map(round => round[at]!)
    return {
      name,
      operation,
      clock,
      reference,
      bytes,
      nanoseconds: each.map(({ nanoseconds }) => nanoseconds),
      referenceNanoseconds: each.map(({ referenceNanoseconds }) => referenceNanoseconds),
      ratios: each.map(({ ratio }) => ratio),
    }
  })
}

export function renderCases(cases: readonly CaseResult[]): string {
  const rows = cases.map(({ name, operation, clock, reference, bytes, nanoseconds, ratios }) => [
    name,
    operation,
    figure(spreadOf(nanoseconds)),
    bytes === null ? '–' : formatNumber((bytes / spreadOf(nanoseconds)!.median) * 1_000),
    clock,
    figure(spreadOf(ratios)),
    reference,
  ])
  return renderTable({ heads: ['case', 'one operation', 'ns', 'MB/s', 'clock', '× reference', 'reference'], rows })
}

export interface CaseComparison {
  readonly name: string
  readonly before: Spread | null
  readonly after: Spread | null
  /** After ÷ before, of their ratios to the reference. */
  readonly ratio: Spread
}

/** Round by round: both ran in each, one right after the other. */
export function compareRounds(before: readonly CaseResult[], after: readonly CaseResult[]): CaseComparison[] {
  return pairs(before, after).flatMap(([old, own]) => {
    const ratio = ratioSpread(own.ratios, old.ratios)
    return ratio === null ? [] : [comparisonOf(old, own, ratio)]
  })
}

/** Of another time, whose rounds have nothing to do with these: every round beside every other. */
export function compareBaseline(before: readonly CaseResult[], after: readonly CaseResult[]): CaseComparison[] {
  return pairs(before, after).flatMap(([old, own]) => {
    const ratio = spreadOf(own.ratios.flatMap(ofOwn => old.ratios.map(ofOld => ofOwn / ofOld)))
    // As many as were measured independently of each other: one round beside many is one.
    const count = Math.min(own.ratios.length, old.ratios.length)
    return ratio === null ? [] : [comparisonOf(old, own, { ...ratio, count })]
  })
}

export function renderComparisons(comparisons: readonly CaseComparison[]): string {
  const rows = comparisons.map(({ name, before, after, ratio }) => [
    name,
    figure(before),
    figure(after),
    figure(ratio),
    differenceOf(ratio, 'less'),
  ])
  return renderTable({ heads: ['case', 'before, × reference', 'after', 'after ÷ before', 'every time'], rows })
}

/** Cases that mean the same on both sides. */
function pairs(before: readonly CaseResult[], after: readonly CaseResult[]): [CaseResult, CaseResult][] {
  return after.flatMap((own): [CaseResult, CaseResult][] => {
    const old = before.find(
      ({ name, operation, clock, reference }) =>
        name === own.name && operation === own.operation && clock === own.clock && reference === own.reference,
    )
    return old === undefined ? [] : [[old, own]]
  })
}

function comparisonOf(old: CaseResult, own: CaseResult, ratio: Spread): CaseComparison {
  return { name: own.name, before: spreadOf(old.ratios), after: spreadOf(own.ratios), ratio }
}

/** Of small figures the digits that count: one operation may be a tenth of its reference. */
function figure(spread: Spread | null): string {
  return formatSpread(spread, value => (value >= 1 ? formatNumber(value) : value.toPrecision(2)))
}
