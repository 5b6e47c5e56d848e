/**
 * `npm run bench:replication`: three brokers and a client on this machine, replication factor 3, acks=all. How fast that is beside
 * the limit of the machine is `npm run bench`'s to say (bench/workloads/*-3-*); here is how it changes with what is around it.
 *
 *     npm run bench:replication [-- --rounds 3] [-- --seconds 5] [-- --directory /on/a/real/disk] [-- --only delay,idle] [-- --modes os] [-- --warm 4]
 *
 * - `depth`: more batches in flight must raise throughput up to the limit, and never lower it after.
 * - `delay`: with 10 ms each way between the brokers, against the same links without; both through the same relay.
 * - `idle`: 1,000 partitions: CPU of each node at rest; then a broker is killed that leads a third of them, and the time
 *   until somebody else leads each.
 *
 * Prints Markdown tables; medians of interleaved rounds. Every cluster is under load for a while before anything is
 * measured, since V8 compiles for seconds, and on two cores it does so in four processes at once; and every measurement
 * begins with nothing left to write back.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '../src/index.ts'
import { type BenchCluster, startBenchCluster } from './harness/millrace-nodes.ts'
import { writeBack } from './harness/processes.ts'
import { middleOf } from './harness/statistics.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    directory: { type: 'string', default: process.cwd() },
    only: { type: 'string', default: 'depth,delay,idle' },
    modes: { type: 'string', default: 'os,sync' },
    warm: { type: 'string', default: '4' },
  },
})
const rounds = Number(flags.rounds)
const seconds = Number(flags.seconds)
const warmSeconds = Number(flags.warm)
const modes = flags.modes.split(',') as ('os' | 'sync')[]
const parts = flags.only.split(',')
/** Of the whole cluster at rest, in seconds: long enough for every timer there is. */
const restSeconds = 20
/** Produced by each client before it measures. */
const warmUpMegabytes = 20
const depths = [1, 2, 4, 8, 16, 32, 64, 128, 256]
const work = mkdtempSync(path.join(flags.directory, 'bench-replication-'))

interface Load {
  readonly recordsPerBatch: number
  readonly recordBytes: number
  readonly inFlight: number
}

interface Produced {
  readonly seconds: number
  readonly recordsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
  readonly cpuSeconds: { readonly client: number; readonly nodes: number | null }
}

const small: Load = { recordsPerBatch: 600, recordBytes: 100, inFlight: 32 }
const large: Load = { recordsPerBatch: 100, recordBytes: 1024, inFlight: 32 }

try {
  if (parts.includes('depth')) await depth()
  if (parts.includes('delay')) await delay()
  if (parts.includes('idle')) await idle()
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function depth(): Promise<void> {
  head('durability', 'batch × record', ...depths.map(inFlight => `${inFlight} in flight, MB/s`))
  for (const mode of modes) {
    for (const load of [small, large]) {
      const found = depths.map((): number[] => [])
      for (let round = 0; round < rounds; round++) {
        await using cluster = await startWarm(mode, load)
        for (const [at, inFlight] of depths.entries()) {
          found[at]!.push(megabytes(await produce(cluster, { ...load, inFlight }), load))
          await cluster.recreateTopic()
        }
      }
      const cells = found.map(samples => middleOf(samples, value => value)!.toFixed(1))
      row(mode, `${load.recordsPerBatch} × ${load.recordBytes} B`, ...cells)
    }
  }
}

async function delay(): Promise<void> {
  head('durability', 'batch × record, in flight', 'no delay, MB/s', '10 ms each way, MB/s', 'ratio')
  for (const mode of modes) {
    const load = { ...large, inFlight: 256 }
    const samples: { near: number; far: number }[] = []
    for (let round = 0; round < rounds; round++) {
      await using cluster = await startWarm(mode, load, true)
      const near = megabytes(await produce(cluster, load), load)
      cluster.mesh!.setPeers({ delayMs: 10 })
      samples.push({ near, far: megabytes(await produce(cluster, load), load) })
    }
    const { near, far } = middleOf(samples, sample => sample.far / sample.near)!
    row(mode, nameOf(load), near.toFixed(1), far.toFixed(1), (far / near).toFixed(2))
  }
}

async function idle(): Promise<void> {
  await using cluster = await startBenchCluster({ directory: work, mode: 'sync' })
  await cluster.millrace('topic', 'create', 'many', '-p', '1000', '-r', '3')
  await using admin = new Admin({ bootstrap: [...cluster.urls] })
  await until(admin, partitions => partitions.every(({ isr }) => isr.length === 3))
  const before = await cluster.cpuSeconds()
  await pause(restSeconds * 1000)
  const after = await cluster.cpuSeconds()
  head('1,000 partitions × 3 replicas at rest', 'node 1', 'node 2', 'node 3')
  row('CPU, percent of a core', ...after.map((cpu, at) => ((100 * (cpu - before[at]!)) / restSeconds).toFixed(1)))
  head('a broker is killed', 'partitions it led', 'until others lead them all, ms')
  const [described] = await admin.describeTopics({ topics: ['many'] })
  const led = described!.partitions.filter(({ leader }) => leader === 2).length
  const startedMs = performance.now()
  cluster.kill(1)
  await until(admin, partitions => partitions.every(({ leader }) => leader !== -1 && leader !== 2))
  row('SIGKILL', String(led), (performance.now() - startedMs).toFixed(0))
}

type Partitions = Awaited<ReturnType<Admin['describeTopics']>>[number]['partitions']

async function until(admin: Admin, isDone: (partitions: Partitions) => boolean): Promise<void> {
  for (;;) {
    const [described] = await admin.describeTopics({ topics: ['many'] }).catch(() => [])
    if (described !== undefined && isDone(described.partitions)) return
    await pause(20)
  }
}

/** With a topic that has a leader on each broker, and has been written to. */
async function startWarm(mode: 'os' | 'sync', load: Load, isLinked = false): Promise<BenchCluster> {
  const cluster = await startBenchCluster({ directory: work, mode, isLinked })
  await cluster.recreateTopic()
  await cluster.millrace('bench', 'produce', ...argumentsOf(load, warmSeconds))
  return cluster
}

async function produce(cluster: BenchCluster, load: Load, ...more: string[]): Promise<Produced> {
  await writeBack()
  // The client is a new process each time.
  const warmUp = ['--warmup', String(warmUpMegabytes * Math.ceil(1e6 / load.recordBytes))]
  return cluster.millrace<Produced>('bench', 'produce', ...argumentsOf(load, seconds), ...warmUp, ...more)
}

function argumentsOf({ recordsPerBatch, recordBytes, inFlight }: Load, durationSeconds: number): string[] {
  const options = {
    records: 1e9,
    duration: `${durationSeconds}s`,
    size: recordBytes,
    'batch-records': recordsPerBatch,
    'in-flight': inFlight,
  }
  return [...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), '-q']
}

function megabytes({ recordsPerSecond }: Produced, { recordBytes }: Load): number {
  return (recordsPerSecond * recordBytes) / 1e6
}

function nameOf({ recordsPerBatch, recordBytes, inFlight }: Load): string {
  return `${recordsPerBatch} × ${recordBytes} B, ${inFlight}`
}

function head(...cells: string[]): void {
  console.log(`\n| ${cells.join(' | ')} |\n|${cells.map(() => '---').join('|')}|`)
}

function row(...cells: string[]): void {
  console.log(`| ${cells.join(' | ')} |`)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
