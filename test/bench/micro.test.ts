/** Every case of the micro-benchmarks does what it counts, and what is made of their figures; no time is asserted. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import {
  type CaseResult,
  compareBaseline,
  compareRounds,
  type MicroResults,
  renderComparisons,
} from '../../bench/micro/results.ts'
import { rooms } from '../../bench/micro/rooms.ts'
import { temporaryDirectory } from '../integration/support.ts'

test('every case of every room runs beside its reference', async t => {
  const directory = temporaryDirectory(t)
  const names = rooms.flatMap(({ cases }) => cases.map(({ name }) => name))
  assert.ok(names.length > 40)
  assert.equal(new Set(names).size, names.length, 'a name is that of one case')
  for (const { name, prepare } of rooms.flatMap(({ cases }) => cases)) {
    const { run, reference, bytes, reset, close } = await prepare(mkdtempSync(path.join(directory, 'case-')))
    await reset?.()
    assert.ok((await reference.run()) > 0, name)
    await reset?.()
    assert.ok((await run()) > 0, name)
    assert.ok(bytes === undefined || bytes > 0, name)
    await close?.()
  }
})

test('npm run bench:micro measures in rounds, beside another checkout and beside an earlier result', async t => {
  const directory = temporaryDirectory(t)
  const run = async (output: string, ...args: string[]): Promise<{ stdout: string; results: MicroResults }> => {
    const program = ['--import', 'tsx', 'bench/micro/run.ts', '--seconds', '0.002', '--directory', directory]
    const { stdout } = await promisify(execFile)(process.execPath, [...program, '--output', output, ...args])
    return { stdout, results: JSON.parse(readFileSync(output, 'utf8')) as MicroResults }
  }
  const first = path.join(directory, 'first.json')
  const { results } = await run(first, '--only', 'varint', '--rounds', '1')
  assert.deepEqual(
    results.cases.map(({ name }) => name),
    ['varint write, 1 to 5 bytes', 'varint read, 1 to 5 bytes'],
  )
  for (const { nanoseconds, ratios } of results.cases) {
    assert.ok(nanoseconds[0]! > 0)
    assert.ok(ratios[0]! > 0)
  }
  const second = path.join(directory, 'second.json')
  const both = await run(second, '--only', 'varint read', '--rounds', '1', '--against', '.', '--compare', first)
  assert.equal(both.results.before![0]!.ratios.length, 1)
  assert.equal(both.stdout.match(/^\| varint read/gm)!.length, 3, 'figures, beside the checkout, beside the result')
})

function resultOf(ratios: number[], reference = 'r'): CaseResult {
  const nanoseconds = ratios.map(ratio => 10 * ratio)
  const referenceNanoseconds = ratios.map(() => 10)
  return { name: 'c', operation: 'o', clock: 'cpu', reference, bytes: null, nanoseconds, referenceNanoseconds, ratios }
}

test('interleaved rounds are compared pair by pair, those of another time each with each', () => {
  const before = [resultOf([1, 2, 4])]
  const after = [resultOf([2, 3, 5])]
  const [paired] = compareRounds(before, after)
  assert.deepEqual(paired!.ratio, { median: 1.5, min: 1.25, max: 2, count: 3 })
  assert.match(renderComparisons([paired!]), /worse/)
  const [crossed] = compareBaseline(before, after)
  assert.deepEqual(crossed!.ratio, { median: 1.5, min: 0.5, max: 5, count: 3 })
  assert.match(renderComparisons([crossed!]), /–/)
  assert.match(renderComparisons(compareBaseline(before, [resultOf([0.5, 0.9])])), /better/)
  const once = compareBaseline(before, [resultOf([0.5])])
  assert.match(renderComparisons(once), /–/, 'one round beside many is one')
  assert.doesNotMatch(renderComparisons(once), /better/)
  assert.deepEqual(compareBaseline(before, [resultOf([1], 'another reference')]), [], 'another reference, another case')
})
