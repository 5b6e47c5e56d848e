/**
 * `npm run bench:raft`: consensus as ratios, each measurement beside what it is compared with, interleaved in one run.
 *
 *     npm run bench:raft [-- --rounds 3] [-- --seconds 4] [-- --warmup 4] [-- --only 'at a time'] [-- --directory /on/a/real/disk]
 *
 * - Pipelining: three voters, 10 ms injected each way, one 1 KiB proposal per AppendEntries (`--append-bytes 1024`), 256
 *   proposals under way; a window of 64 against a window of one.
 * - Throughput: three voters against LMDB alone (bench/limits/raw-lmdb.ts), the same batches, as many of them under way,
 *   on the same file system. The three voters share the disk and the cores that LMDB had for itself.
 * - Latency: one proposal of one entry at a time, against one LMDB commit at a time.
 * - Beside the last two: three processes that commit the same to LMDB at the same time (bench/limits/three-lmdb.ts), which
 *   is what this machine leaves of LMDB for each of three voters before any of them has said a word.
 *
 * A group is warmed up first: at a few hundred rounds a second its code takes seconds to be compiled. Medians of the rounds are reported. Prints a Markdown table, and writes the raw figures to bench/results/.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { middleOf } from './harness/statistics.ts'
import { type RawLoad, type RawResult, rawLmdb } from './limits/raw-lmdb.ts'
import { threeLmdb } from './limits/three-lmdb.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    directory: { type: 'string', default: process.cwd() },
  },
})
const rounds = Number(flags.rounds)
const seconds = Number(flags.seconds)
const warmup = Number(flags.warmup)
const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')
const work = mkdtempSync(path.join(flags.directory, 'bench-raft-'))

interface Comparison {
  readonly name: string
  readonly ours: () => Promise<RawResult>
  readonly theirs: () => Promise<RawResult>
  /** LMDB three times at once. */
  readonly ceiling: (() => Promise<RawResult>) | null
  readonly ratio: (ours: RawResult, theirs: RawResult) => number
  readonly target: string
}

const alone = { batch: 1, size: 100, concurrency: 1 }
const pipelined = { batch: 1, size: 1024, concurrency: 256, delay: 10, 'append-bytes': 1024 }
const commits = (ours: RawResult, theirs: RawResult): number => ours.commitsPerSecond / theirs.commitsPerSecond
const comparisons: readonly Comparison[] = [
  {
    name: '10 ms each way: window 64 ÷ window 1, commits/s',
    ours: () => group({ ...pipelined, window: 64 }),
    theirs: () => group({ ...pipelined, window: 1 }),
    ceiling: null,
    ratio: commits,
    target: '≥ 8',
  },
  ...[
    { batch: 1, size: 100, concurrency: 256 },
    { batch: 100, size: 100, concurrency: 16 },
    { batch: 100, size: 1024, concurrency: 8 },
  ].map(
    (load): Comparison => ({
      name: `three voters ÷ LMDB alone, ${load.batch} × ${load.size} bytes, ${load.concurrency} under way, commits/s`,
      ours: () => group(load),
      theirs: () => raw(rawLmdb, load),
      ceiling: () => raw(threeLmdb, load),
      ratio: commits,
      target: '≥ 0.5',
    }),
  ),
  {
    name: 'one proposal at a time ÷ one LMDB commit at a time, p50 ms',
    ours: () => group(alone),
    theirs: () => raw(rawLmdb, alone),
    ceiling: () => raw(threeLmdb, alone),
    ratio: (ours, theirs) => ours.p50Ms / theirs.p50Ms,
    target: '≤ 2.5',
  },
]

async function group(options: Record<string, number>): Promise<RawResult> {
  const given = { ...options, seconds, warmup, dir: work }
  const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, `${value}`])
  const command = [bin, 'bench', 'raft', '--format', 'json', ...args]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  const { commitsPerSecond, latencyMs } = JSON.parse(stdout) as {
    commitsPerSecond: number
    latencyMs: { p50: number }
  }
  return { commitsPerSecond, p50Ms: latencyMs.p50 }
}

async function raw(
  run: (load: RawLoad) => Promise<RawResult>,
  { batch, size, concurrency }: Record<'batch' | 'size' | 'concurrency', number>,
): Promise<RawResult> {
  const directory = mkdtempSync(path.join(work, 'lmdb-'))
  try {
    return await run({ directory, seconds, batch, sizeBytes: size, concurrency })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const results: unknown[] = []
try {
  console.log('| what | commits/s | p50 ms | beside | its p50 ms | ratio | target | LMDB × 3 | its p50 ms | ratio |')
  console.log('|---|---|---|---|---|---|---|---|---|---|')
  for (const { name, ours, theirs, ceiling, ratio, target } of comparisons.filter(c => c.name.includes(flags.only))) {
    const samples: { ours: RawResult; theirs: RawResult; ceiling: RawResult | null }[] = []
    for (let round = 0; round < rounds; round++)
      samples.push({ theirs: await theirs(), ours: await ours(), ceiling: (await ceiling?.()) ?? null })
    const of = (pick: (sample: (typeof samples)[number]) => number, digits: number): string =>
      middleOf(samples.map(pick), value => value)!.toFixed(digits)
    const beside = [
      of(s => s.ours.commitsPerSecond, 0),
      of(s => s.ours.p50Ms, 2),
      of(s => s.theirs.commitsPerSecond, 0),
      of(s => s.theirs.p50Ms, 2),
      of(s => ratio(s.ours, s.theirs), 2),
    ]
    const atOnce =
      ceiling === null
        ? ['–', '–', '–']
        : [of(s => s.ceiling!.commitsPerSecond, 0), of(s => s.ceiling!.p50Ms, 2), of(s => ratio(s.ours, s.ceiling!), 2)]
    console.log(`| ${[name, ...beside, target, ...atOnce].join(' | ')} |`)
    results.push({ name, target, samples })
  }
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version, platform: os.platform() }
  const directory = path.join(import.meta.dirname, 'results')
  mkdirSync(directory, { recursive: true })
  const file = path.join(directory, `raft-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.json`)
  writeFileSync(file, `${JSON.stringify({ machine, rounds, seconds, results }, null, 1)}\n`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
