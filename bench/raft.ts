/**
 * `npm run bench:raft`: consensus as ratios, each measurement beside what it is compared with, interleaved in one run.
 *
 *     npm run bench:raft [-- --rounds 3] [-- --seconds 4] [-- --warmup 4] [-- --only 'at a time'] [-- --directory /on/a/real/disk]
 *
 * - Pipelining: three voters, 10 ms injected each way, one 1 KiB proposal per AppendEntries; a window of many against a
 *   window of one, and, as it is set by default, against no delay. `npm run bench` measures these too.
 * - Throughput: three voters against LMDB alone (bench/limits/raw-lmdb.ts), the same batches, as many of them under way,
 *   on the same file system. The three voters share the disk and the cores that LMDB had for itself.
 * - Latency: one proposal of one entry at a time, against one LMDB commit at a time.
 * - Beside the last two: three processes that commit the same to LMDB at the same time (bench/limits/three-lmdb.ts), which
 *   is what this machine leaves of LMDB for each of three voters before any of them has said a word.
 *
 * Medians of the rounds are reported. Prints a Markdown table, and writes the raw figures to bench/results/.
 */
import os from 'node:os'
import { parseArgs } from 'node:util'
import { resultPrefix, writeResult } from './harness/result-files.ts'
import { spreadOf } from './harness/statistics.ts'
import type { RawResult } from './limits/raw-lmdb.ts'
import { besideLmdb, pipelining } from './raft/comparisons.ts'
import { type ComparisonResult, measureComparisons } from './raft/measure.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    directory: { type: 'string', default: process.cwd() },
  },
})
const { directory } = flags
const [rounds, seconds, warmupSeconds] = [flags.rounds, flags.seconds, flags.warmup].map(Number) as [
  number,
  number,
  number,
]

const results: ComparisonResult[] = []
console.log('| what | commits/s | p50 ms | beside | its p50 ms | ratio | target | LMDB × 3 | its p50 ms | ratio |')
console.log('|---|---|---|---|---|---|---|---|---|---|')
// The first two have a load in common; of the others each is by itself, so that no group waits while another is measured.
for (const together of [pipelining, ...besideLmdb.map(comparison => [comparison])]) {
  const chosen = together.filter(({ name }) => name.includes(flags.only))
  if (chosen.length === 0) continue
  for (const result of await measureComparisons(chosen, { rounds, seconds, warmupSeconds, directory })) {
    console.log(`| ${cellsOf(result).join(' | ')} |`)
    results.push(result)
  }
}
const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version, platform: os.platform() }
writeResult(`${resultPrefix('raft', new Date().toISOString())}.json`, { machine, rounds, seconds, results })

function cellsOf({ name, target, of, beside, ceiling, ratios, ceilingRatios }: ComparisonResult): string[] {
  const median = (values: readonly number[], digits: number): string => spreadOf(values)?.median.toFixed(digits) ?? '–'
  const figures = (runs: readonly RawResult[]): string[] => [
    median(
      runs.map(({ commitsPerSecond }) => commitsPerSecond),
      0,
    ),
    median(
      runs.map(({ p50Ms }) => p50Ms),
      2,
    ),
  ]
  return [
    ...[name, ...figures(of), ...figures(beside), median(ratios, 2), target],
    ...[...figures(ceiling), median(ceilingRatios, 2)],
  ]
}
