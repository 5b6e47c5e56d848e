/**
 * `npm run bench:micro`: every case of every room, in interleaved rounds, as nanoseconds and as a ratio to a reference measured right
 * beside it. docs/BENCHMARKS.md, "Rooms", tells how to read it.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { describeCommit, describeMachine } from '../harness/machine.ts'
import { resultPrefix, writeResult } from '../harness/result-files.ts'
import type { CaseOnce } from './child.ts'
import {
  compareBaseline,
  compareRounds,
  gather,
  type MicroResults,
  microFormat,
  renderCases,
  renderComparisons,
} from './results.ts'
import { casesOf, rooms } from './rooms.ts'

const usage = `npm run bench:micro [-- OPTION…]
  --only NAME       cases whose name, or whose room's name, holds it; may be given several times
  --against DIR     also another checkout that has this tool, in the same rounds: ratios of this one to it
  --compare FILE    ratios to those of an earlier result
  --rounds N        by default 5
  --seconds N       measured of either side of a case in each round; by default 0.15
  --directory DIR   where files go: on the disk to be measured
  --output FILE     by default bench/results/micro-….json`

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    against: { type: 'string' },
    compare: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '0.15' },
    directory: { type: 'string', default: tmpdir() },
    output: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(usage)
  process.exit(0)
}
const { only } = flags
const chosen = rooms.filter(room => casesOf(room, only).length > 0)
if (chosen.length === 0) throw new Error(`no case is called like ${only.join(' or ')}\n${usage}`)
const baseline = flags.compare === undefined ? null : readResults(flags.compare)
const here = path.join(import.meta.dirname, '..', '..')
const there = flags.against === undefined ? null : path.resolve(flags.against)
const roundCount = Number(flags.rounds)
const startedAt = new Date().toISOString()
const machine = describeMachine(flags.directory)
const rounds: CaseOnce[][] = []
const roundsBefore: CaseOnce[][] = []
for (let round = 0; round < roundCount; round++) {
  const found: CaseOnce[] = []
  const foundBefore: CaseOnce[] = []
  for (const { name } of chosen) {
    console.error(`round ${round + 1} of ${roundCount}: ${name}`)
    // What comes second finds another machine than what comes first.
    if (round % 2 === 0) found.push(...(await measureRoom(here, name)))
    if (there !== null) foundBefore.push(...(await measureRoom(there, name)))
    if (round % 2 === 1) found.push(...(await measureRoom(here, name)))
  }
  rounds.push(found)
  roundsBefore.push(foundBefore)
}
const results: MicroResults = {
  format: microFormat,
  startedAt,
  machine,
  commit: describeCommit(),
  rounds: roundCount,
  seconds: Number(flags.seconds),
  cases: gather(rounds),
  before: there === null ? null : gather(roundsBefore),
}
const output = flags.output ?? `${resultPrefix('micro', startedAt)}.json`
writeResult(output, results)
console.log(renderCases(results.cases))
if (results.before !== null) console.log(`\n${renderComparisons(compareRounds(results.before, results.cases))}`)
if (baseline !== null) console.log(`\n${renderComparisons(compareBaseline(baseline.cases, results.cases))}`)
console.log(`\n${output}`)

/** In `checkout`; nothing if it does not have the room. */
async function measureRoom(checkout: string, name: string): Promise<CaseOnce[]> {
  const program = ['--expose-gc', '--import', 'tsx', path.join(checkout, 'bench', 'micro', 'child.ts')]
  const args = [...program, name, flags.seconds, path.resolve(flags.directory), ...only]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: checkout })
  return JSON.parse(stdout) as CaseOnce[]
}

function readResults(file: string): MicroResults {
  const read = JSON.parse(readFileSync(file, 'utf8')) as MicroResults
  if (read.format !== microFormat) throw new Error(`${file} is not a result of this version of bench:micro`)
  return read
}
