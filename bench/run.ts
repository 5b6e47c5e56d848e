/**
 * `npm run bench`: every workload of bench/workloads on Millrace, beside what the machine gives without a broker; with
 * `npm run bench:peers` also on the systems of bench/peers, in the same run. Writes results as JSON and a report as one HTML
 * file, and prints a table. docs/BENCHMARKS.md tells how to read them.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { millrace, millraceOf } from './harness/millrace.ts'
import { resultPrefix, writeResult } from './harness/result-files.ts'
import { runBenchmarks } from './harness/runner.ts'
import { briefRun, wholeRun } from './harness/settings.ts'
import { markdownOf } from './harness/text.ts'
import { readWorkloads, smallBacklogSizeGBMax, type Workload, withoutLarge } from './harness/workload.ts'
import { kafka } from './peers/kafka.ts'
import { nats } from './peers/nats.ts'
import { pipelining } from './raft/comparisons.ts'
import { renderReport } from './report/html.ts'

const known = [millrace, kafka, nats]
const usage = `npm run bench [-- OPTION…]
  --brief               one point of every workload for a moment, to see that it works; the figures say nothing
  --large               also with backlogs of more than ${smallBacklogSizeGBMax} GB, which take minutes to write and to read
  --only NAME[,…]       workloads whose name holds one of these; 'raft' is consensus alone
  --systems NAME[,…]    of ${known.map(({ name }) => name).join(', ')}
  --against DIR         also another checkout of Millrace, built, as the system 'before'; see bench:compare
  --repetitions N       interleaved rounds
  --seconds N           measured in each run, after --warmup N seconds of the same load
  --peer-warmup N       seconds of load on each of the peers' clusters before anything is measured
  --directory DIR       where the data goes: on the disk to be measured
  --output PREFIX       PREFIX.json and PREFIX.html are written; by default in bench/results`

const { values: flags } = parseArgs({
  options: {
    brief: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    only: { type: 'string' },
    systems: { type: 'string', default: 'millrace' },
    against: { type: 'string' },
    repetitions: { type: 'string' },
    seconds: { type: 'string' },
    warmup: { type: 'string' },
    'peer-warmup': { type: 'string' },
    directory: { type: 'string', default: process.cwd() },
    output: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(usage)
  process.exit(0)
}
const defaults = flags.brief ? briefRun : wholeRun
const numberOf = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : Number(text)
const systems = flags.systems.split(',').map(name => {
  const system = known.find(candidate => candidate.name === name)
  if (system === undefined) throw new Error(`there is no system ${name}\n${usage}`)
  return system
})
if (flags.against !== undefined) systems.push(millraceOf('before', path.resolve(flags.against)))
const workloads = readWorkloads(flags.only?.split(','))
  .map(workload => (flags.large ? workload : withoutLarge(workload)))
  .map(workload => (flags.brief ? briefly(workload) : workload))
const isRaftAsked = flags.only === undefined || flags.only.split(',').includes('raft')
if (workloads.length === 0 && !isRaftAsked) throw new Error(`no workload is called like ${flags.only}\n${usage}`)

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const startedAt = performance.now()
const peerWarmupSeconds = numberOf(flags['peer-warmup'], defaults.peerWarmupSeconds)
const results = await runBenchmarks({
  workloads,
  systems,
  consensus: {
    comparisons: isRaftAsked && systems.includes(millrace) ? pipelining : [],
    warmupSeconds: defaults.groupWarmupSeconds,
  },
  repetitions: numberOf(flags.repetitions, defaults.repetitions),
  timing: {
    warmupSeconds: numberOf(flags.warmup, defaults.warmupSeconds),
    seconds: numberOf(flags.seconds, defaults.seconds),
    scale: defaults.scale,
  },
  limitSeconds: defaults.limitSeconds,
  systemWarmupSeconds: name =>
    name === millrace.name || name === 'before' ? defaults.ourWarmupSeconds : peerWarmupSeconds,
  settleSeconds: defaults.settleSeconds,
  directory: flags.directory,
  signal: interrupted.signal,
  tell: line => console.error(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s  ${line}`),
})
const prefix = flags.output ?? resultPrefix('bench', results.startedAt)
writeResult(`${prefix}.json`, results)
writeFileSync(`${prefix}.html`, renderReport(results))
console.log(markdownOf(results))
console.log(`\n${prefix}.json\n${prefix}.html`)
if (results.points.some(({ failures }) => failures.length > 0)) process.exitCode = 1

/** One durability, the stronger one, and one rate; of what is varied two values, to see that they are compared. */
function briefly(workload: Workload): Workload {
  return {
    ...workload,
    durability: workload.durability.slice(-1),
    producerRate: workload.producerRate.slice(0, 1),
    partitionsPerTopic: workload.partitionsPerTopic.slice(0, 2),
    producers: workload.producers.slice(0, 2),
    consumerBacklogSizeGB: workload.consumerBacklogSizeGB.slice(0, 2),
  }
}
