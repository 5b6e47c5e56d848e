/**
 * `npm run bench:limits`: producing and consuming, each beside its limit probe in the same run, interleaved, as ratios.
 *
 *     npm run bench:limits [-- --rounds 3] [-- --seconds 5] [-- --directory /path/on/a/real/disk] [-- --only 600x100]
 *
 * Workloads are named `recordsPerBatch × recordBytes / in flight`. For each, in both durability modes: the bare pipe
 * (bench/limits/bare-pipe.ts), then `millrace bench produce` against a fresh node, one after the other, `--rounds` times;
 * then `millrace bench consume` reads back what was produced. Medians are reported. Absolute figures belong to the
 * machine, the ratios to Millrace. Prints a Markdown table, and writes the raw figures to bench/results/.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { runBarePipe } from './limits/bare-pipe.ts'

interface Workload {
  readonly recordsPerBatch: number
  readonly recordBytes: number
  readonly inFlight: number
}

interface Sample {
  readonly pipe: number
  readonly pipeP50: number
  readonly produce: number
  readonly produceP50: number
  readonly consume: number
}

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    directory: { type: 'string', default: process.cwd() },
    only: { type: 'string' },
    modes: { type: 'string', default: 'os,sync' },
  },
})
const rounds = Number(flags.rounds)
const seconds = Number(flags.seconds)
const run = promisify(execFile)
const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')

const workloads: Workload[] = [
  { recordsPerBatch: 1, recordBytes: 100, inFlight: 1 },
  { recordsPerBatch: 1, recordBytes: 100, inFlight: 256 },
  { recordsPerBatch: 100, recordBytes: 100, inFlight: 32 },
  { recordsPerBatch: 600, recordBytes: 100, inFlight: 16 },
  { recordsPerBatch: 1000, recordBytes: 1024, inFlight: 8 },
].filter(w => flags.only === undefined || `${w.recordsPerBatch}x${w.recordBytes}` === flags.only)

const work = mkdtempSync(path.join(flags.directory, 'bench-limits-'))
const results: { mode: string; workload: Workload; samples: Sample[] }[] = []
try {
  console.log(
    '| durability | batch × record, in flight | bare pipe records/s | produce | ratio | p50 pipe ms | p50 produce ms | ratio | consume records/s | ÷ produce |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|---|')
  for (const mode of flags.modes.split(',') as ('os' | 'sync')[]) {
    for (const workload of workloads) {
      const samples: Sample[] = []
      for (let round = 0; round < rounds; round++) samples.push(await measure(mode, workload))
      results.push({ mode, workload, samples })
      printRow(mode, workload, samples)
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
mkdirSync(path.join(import.meta.dirname, 'results'), { recursive: true })
const machine = {
  cpu: os.cpus()[0]?.model,
  cores: os.cpus().length,
  node: process.version,
  date: new Date().toISOString(),
}
writeFileSync(
  path.join(import.meta.dirname, 'results', 'limits.json'),
  `${JSON.stringify({ machine, rounds, seconds, results }, null, 1)}\n`,
)

async function measure(mode: 'os' | 'sync', workload: Workload): Promise<Sample> {
  const pipe = await runBarePipe({ file: path.join(work, 'pipe'), mode, ...workload, seconds })
  const { child, url, dataDir } = await startNode(mode)
  try {
    const produced = await bench(url, [
      'produce',
      '--records',
      '1000000000',
      '--duration',
      `${seconds}s`,
      '--size',
      String(workload.recordBytes),
      '--batch-records',
      String(workload.recordsPerBatch),
      '--in-flight',
      String(workload.inFlight),
    ])
    const consumed = await bench(url, ['consume', '--records', '1000000000', '--duration', `${seconds}s`])
    return {
      pipe: pipe.recordsPerSecond,
      pipeP50: pipe.latencyMs.p50,
      produce: produced.recordsPerSecond,
      produceP50: produced.latencyMs!.p50,
      consume: consumed.recordsPerSecond,
    }
  } finally {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function startNode(mode: 'os' | 'sync'): Promise<{ child: ChildProcess; url: string; dataDir: string }> {
  const dataDir = mkdtempSync(path.join(work, 'node-'))
  const child = fork(
    bin,
    ['server', '--data-dir', dataDir, '--port', '0', '--set', `log.flush.policy=${mode}`, '--set', 'log.level=warn'],
    {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  const [message] = (await once(child, 'message')) as [{ url: string }]
  return { child, url: message.url, dataDir }
}

interface BenchOutput {
  recordsPerSecond: number
  latencyMs: { p50: number } | null
}

async function bench(url: string, args: string[]): Promise<BenchOutput> {
  const { stdout } = await run('node', [bin, 'bench', ...args, '-b', url, '--format', 'json', '-q'], {
    maxBuffer: 1 << 24,
  })
  return JSON.parse(stdout) as BenchOutput
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

function printRow(mode: string, workload: Workload, samples: Sample[]): void {
  const of = (key: keyof Sample): number => median(samples.map(sample => sample[key]))
  const ratio = (a: keyof Sample, b: keyof Sample): string =>
    median(samples.map(sample => sample[a] / sample[b])).toFixed(2)
  const count = (value: number): string => Math.round(value).toLocaleString('en-US')
  const cells = [
    mode,
    `${workload.recordsPerBatch} × ${workload.recordBytes} B, ${workload.inFlight}`,
    count(of('pipe')),
    count(of('produce')),
    ratio('produce', 'pipe'),
    of('pipeP50').toFixed(2),
    of('produceP50').toFixed(2),
    ratio('produceP50', 'pipeP50'),
    count(of('consume')),
    ratio('consume', 'produce'),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
