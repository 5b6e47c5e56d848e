/** Measures comparisons in rounds: in each of them every load once, so that what is compared shares the machine's mood. */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { RaftGroup } from '../../src/cli/bench/raft-group.ts'
import { Disposables } from '../../src/util/disposables.ts'
import { type RawResult, rawLmdb } from '../limits/raw-lmdb.ts'
import { threeLmdb } from '../limits/three-lmdb.ts'
import type { Comparison, GroupLoad, Load } from './comparisons.ts'

export interface RaftOptions {
  readonly rounds: number
  readonly seconds: number
  /** Load on every group before anything is measured: at a few hundred rounds a second its code takes seconds to be compiled. */
  readonly warmupSeconds: number
  /** On the disk to be measured. */
  readonly directory: string
}

/** One for each round. */
export interface ComparisonResult {
  readonly name: string
  readonly target: string
  readonly of: readonly RawResult[]
  readonly beside: readonly RawResult[]
  readonly ceiling: readonly RawResult[]
  /** Of ÷ beside. */
  readonly ratios: readonly number[]
  /** Of ÷ ceiling. */
  readonly ceilingRatios: readonly number[]
}

type Measure = (seconds: number) => Promise<RawResult>

const bin = path.join(import.meta.dirname, '..', '..', 'bin', 'millrace.cjs')

export async function measureComparisons(
  comparisons: readonly Comparison[],
  { rounds, seconds, warmupSeconds, directory }: RaftOptions,
): Promise<ComparisonResult[]> {
  const work = mkdtempSync(path.join(directory, 'raft-'))
  const open = new Disposables()
  try {
    const loads = distinctLoads(comparisons)
    const opened = await Promise.allSettled(
      [...loads].map(async ([name, load]) => [name, await openLoad(load, work, open)] as const),
    )
    // Only now is all that did start in `open`.
    const failed = opened.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    const measures = new Map(opened.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])))
    for (const [name, load] of loads) if (load.kind === 'group') await measures.get(name)!(warmupSeconds)
    const results = new Map([...loads.keys()].map(name => [name, [] as RawResult[]]))
    for (let round = 0; round < rounds; round++)
      for (const [name, measure] of measures) results.get(name)!.push(await measure(seconds))
    return comparisons.map(comparison => toResult(comparison, load => results.get(nameOf(load))!))
  } finally {
    await open.dispose()
    rmSync(work, { recursive: true, force: true })
  }
}

/** By name: what several comparisons have in common is measured once. */
export function distinctLoads(comparisons: readonly Comparison[]): Map<string, Load> {
  return new Map(comparisons.flatMap(loadsOf).map(load => [nameOf(load), load]))
}

function loadsOf({ of, beside, ceiling }: Comparison): Load[] {
  return ceiling === null ? [beside, of] : [beside, of, ceiling]
}

function nameOf(load: Load): string {
  return JSON.stringify(load)
}

/** Groups stay until all is measured; LMDB begins with an empty database each time. */
async function openLoad(load: Load, work: string, open: Disposables): Promise<Measure> {
  if (load.kind === 'group') return openGroup(load, work, open)
  const run = load.kind === 'lmdb' ? rawLmdb : threeLmdb
  const { batch, size: sizeBytes, concurrency } = load
  return async seconds => {
    const directory = mkdtempSync(path.join(work, 'lmdb-'))
    try {
      return await run({ directory, seconds, batch, sizeBytes, concurrency })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

async function openGroup(load: GroupLoad, work: string, open: Disposables): Promise<Measure> {
  const directory = mkdtempSync(path.join(work, 'group-'))
  const { delay: delayMs, window, appendBytes: appendBytesMax } = load
  const group = open.use(await RaftGroup.start({ bin, nodes: 3, directory, delayMs, window, appendBytesMax }))
  const { batch, size: sizeBytes, concurrency } = load
  return async seconds => {
    const run = await group.run({ seconds, batch, sizeBytes, concurrency })
    return { commitsPerSecond: run.commits / run.seconds, p50Ms: run.latencyMs?.p50 ?? 0 }
  }
}

function toResult(comparison: Comparison, resultsOf: (load: Load) => RawResult[]): ComparisonResult {
  const { name, target, by } = comparison
  const [of, beside] = [resultsOf(comparison.of), resultsOf(comparison.beside)]
  const ceiling = comparison.ceiling === null ? [] : resultsOf(comparison.ceiling)
  const figure = ({ commitsPerSecond, p50Ms }: RawResult): number => (by === 'commits/s' ? commitsPerSecond : p50Ms)
  const ratiosTo = (others: readonly RawResult[]): number[] =>
    others.map((other, round) => figure(of[round]!) / figure(other))
  return { name, target, of, beside, ceiling, ratios: ratiosTo(beside), ceilingRatios: ratiosTo(ceiling) }
}
