/**
 * Simulates the controller quorum, or with `--profile cluster` or another of theirs whole nodes, seed after seed: `npm run sim -- --seeds
 * 1..1000`. A failure prints the command that replays it and the end of its trace, and ends with 1.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type ClusterProfileName, clusterProfileNames } from '../src/simulation/cluster/profiles.ts'
import { type ClusterRunResult, simulateCluster } from '../src/simulation/cluster/run.ts'
import { clusterSometimesNames } from '../src/simulation/cluster/sometimes.ts'
import { profileNames as quorumProfileNames } from '../src/simulation/quorum/profiles.ts'
import { type RunResult, simulate } from '../src/simulation/quorum/run.ts'
import { addRun, type Counted, neverHit, noRuns, type Summary } from '../src/simulation/quorum/summary.ts'
import { turns } from '../test/support/turns.ts'

/** The seed chooses among those of the quorum; a cluster of whole nodes is asked for by name. */
const profileNames = [...quorumProfileNames, ...clusterProfileNames] as const
type ProfileName = (typeof profileNames)[number]

const usage = `Usage: npm run sim -- [options]
  --seed N         one seed; with --trace every event of it
  --seeds A..B     these, both included
  --time S         as many as fit into S seconds, from the first of --seeds or a random one on
  --profile P      ${profileNames.join(', ')}; default: what the seed draws
  --jobs J         processes; default: one for each core
  --format json    the summary as one line of JSON
`

/** Every so many-th seed runs twice, and must take the same way. */
const repeatEvery = 100

interface Settings {
  readonly from: number
  /** Inclusive. */
  readonly to: number
  readonly untilMs: number
  readonly profile: ProfileName | undefined
  readonly jobs: number
  readonly isTraced: boolean
  readonly isJson: boolean
}

type Report = { readonly seed: number; readonly isRepeated: boolean; readonly run: Counted } & (
  | { readonly failure: null }
  | { readonly failure: string; readonly tail: readonly string[] }
)

function settingsOf(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      time: { type: 'string' },
      profile: { type: 'string' },
      jobs: { type: 'string' },
      format: { type: 'string', default: 'table' },
      trace: { type: 'boolean', default: false },
    },
  })
  const range = /^(\d+)(?:\.\.(\d+))?$/.exec(values.seeds ?? values.seed ?? '')
  if (range === null && values.time === undefined) throw new Error('--seed N, --seeds A..B or --time S is needed')
  const from = range === null ? Math.floor(Math.random() * 2 ** 31) : Number(range[1])
  const isOpen = values.time !== undefined && range?.[2] === undefined
  const profile = values.profile as ProfileName | undefined
  if (profile !== undefined && !profileNames.includes(profile)) throw new Error(`no profile ${profile}`)
  return {
    from,
    to: isOpen ? Number.MAX_SAFE_INTEGER : Number(range?.[2] ?? from),
    untilMs: values.time === undefined ? Number.POSITIVE_INFINITY : Date.now() + numberOf('--time', values.time) * 1000,
    profile,
    jobs: values.jobs === undefined ? availableParallelism() : numberOf('--jobs', values.jobs),
    isTraced: values.trace,
    isJson: values.format === 'json',
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (!(number > 0)) throw new Error(`${name} ${text}: expected a number above 0`)
  return number
}

function isOfClusters(profile: ProfileName | undefined): profile is ClusterProfileName {
  return clusterProfileNames.some(name => name === profile)
}

function simulateOnce(
  seed: number,
  profile: ProfileName | undefined,
  isTraced = false,
): Promise<RunResult | ClusterRunResult> {
  const onTraceLine = isTraced ? (line: string) => process.stdout.write(`${line}\n`) : undefined
  const options = { seed, turns, ...(onTraceLine && { onTraceLine }) }
  if (isOfClusters(profile)) return simulateCluster({ ...options, profile })
  return simulate({ ...options, ...(profile && { profile }) })
}

async function reportOf(seed: number, profile: ProfileName | undefined): Promise<Report> {
  const result = await simulateOnce(seed, profile)
  const { events, virtualMs, operations, isUndecided, faults, messages, sometimes } = result
  const run = { profile: result.profile, events, virtualMs, operations, isUndecided, faults, messages, sometimes }
  const isRepeated = seed % repeatEvery === 0
  if (result.failure !== null) {
    const failure = result.failure.stack ?? result.failure.message
    return { seed, isRepeated: false, run, failure, tail: result.traceTail() }
  }
  if (isRepeated) {
    const again = await simulateOnce(seed, profile)
    if (again.traceHash !== result.traceHash) {
      return { seed, isRepeated, run, failure: 'the same seed took another way', tail: again.traceTail() }
    }
  }
  return { seed, isRepeated, run, failure: null }
}

/** In a child: one report for each seed that the parent asks for. */
function work(): void {
  process.on('message', ({ seed, profile }: { seed: number; profile?: ProfileName }) => {
    reportOf(seed, profile).then(
      report => process.send!(report),
      error => process.send!({ seed, isRepeated: false, run: null, failure: String(error.stack), tail: [] }),
    )
  })
}

async function runAll(settings: Settings): Promise<{ summary: Summary; failed: Report | null }> {
  const summary = noRuns(isOfClusters(settings.profile) ? clusterSometimesNames : undefined)
  let next = settings.from
  let failed: Report | null = null
  let shownMs = Date.now()
  const startedMs = shownMs
  const onReport = (report: Report): void => {
    if (report.failure !== null) failed ??= report
    else addRun(summary, report.run)
    if (report.isRepeated) summary.repeated++
    if (Date.now() - shownMs < 2000) return
    shownMs = Date.now()
    const rate = (summary.seeds / (shownMs - startedMs)) * 1000
    process.stderr.write(`seed ${report.seed}: ${summary.seeds} seeds, ${rate.toFixed(1)} a second\n`)
  }
  const isOver = (): boolean => failed !== null || next > settings.to || Date.now() >= settings.untilMs
  const worker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child: ChildProcess = fork(import.meta.filename, ['--worker'])
      const ask = (): void => {
        if (isOver()) child.disconnect()
        else child.send({ seed: next++, profile: settings.profile })
      }
      child.on('message', report => {
        onReport(report as Report)
        ask()
      })
      child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))))
      ask()
    })
  await Promise.all(Array.from({ length: Math.min(settings.jobs, settings.to - settings.from + 1) }, worker))
  return { summary, failed }
}

function printSummary(summary: Summary, isJson: boolean, seconds: number): void {
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ ...summary, seconds, neverHit: neverHit(summary) })}\n`)
    return
  }
  const row = (name: string, value: number): string => `  ${name.padEnd(32)}${value.toLocaleString('en')}\n`
  const table = (title: string, rows: Record<string, number>): string =>
    `${title}\n${Object.entries(rows)
      .map(([name, value]) => row(name, value))
      .join('')}`
  const { seeds, repeated, events, operations, undecided } = summary
  const virtualHours = Math.round(summary.virtualHours * 10) / 10
  const rates = { 'seeds a second': seeds / seconds, 'events a second': Math.round(events / seconds) }
  process.stdout.write(
    table('runs', { seeds, repeated, events, 'virtual hours': virtualHours, operations, undecided, ...rates }),
  )
  process.stdout.write(table('profiles', summary.profiles))
  process.stdout.write(table('faults', summary.faults))
  process.stdout.write(table('messages', summary.messages))
  process.stdout.write(table('sometimes', summary.sometimes))
}

function printFailure({ seed, ...report }: Report, profile: ProfileName | undefined): void {
  if (report.failure === null) return
  const replay = `npm run sim -- --seed ${seed}${profile === undefined ? '' : ` --profile ${profile}`}`
  process.stdout.write(`${report.tail.join('\n')}\n\n${report.failure}\n\nseed ${seed} failed. Replay: ${replay}\n`)
}

async function main(): Promise<number> {
  let settings: Settings
  try {
    settings = settingsOf(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`)
    return 2
  }
  if (settings.isTraced) await simulateOnce(settings.from, settings.profile, true)
  const startedMs = Date.now()
  const { summary, failed } = await runAll(settings)
  if (failed !== null) printFailure(failed, settings.profile)
  else printSummary(summary, settings.isJson, (Date.now() - startedMs) / 1000)
  return failed === null ? 0 : 1
}

// Whoever read the beginning of a trace may have seen enough.
process.stdout.on('error', () => process.exit())

if (process.argv[2] === '--worker') work()
else process.exitCode = await main()
