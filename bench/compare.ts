/**
 * `npm run bench:compare A B`: two results, point by point, as ratios B ÷ A with their spread.
 *
 *     npm run bench:compare -- before.json after.json
 *     npm run bench -- --against ../older --output both && npm run bench:compare -- both.json:before both.json:millrace
 *
 * A result is a file, or a system within one (`FILE:SYSTEM`; by default millrace). Ratios are taken repetition by repetition:
 * in one file those ran in turns, so that the machine's moods are in both; of two files the first is beside the first.
 */
import { readFileSync } from 'node:fs'
import { compareResults, renderComparison } from './harness/comparison.ts'
import { type Results, resultsFormat } from './harness/results.ts'

const names = process.argv.slice(2)
if (names.length !== 2) {
  console.error('usage: npm run bench:compare -- A.json[:SYSTEM] B.json[:SYSTEM]')
  process.exit(2)
}
const [a, b] = names.map(open)
if (a!.results.commit.commit !== b!.results.commit.commit)
  console.log(`A: commit ${a!.results.commit.commit}, B: commit ${b!.results.commit.commit}\n`)
if (a!.file !== b!.file)
  console.log('Two runs, one after the other: what changed on the machine in between is in the ratios.\n')
console.log(renderComparison(compareResults(a!, b!)))

function open(name: string): { file: string; results: Results; system: string } {
  const [file, system = 'millrace'] = name.split(/:(?=[^/]*$)/) as [string, string?]
  const results = JSON.parse(readFileSync(file, 'utf8')) as Results
  if (results.format !== resultsFormat) throw new Error(`${file} is not a result of this version of the benchmark`)
  return { file, results, system }
}
