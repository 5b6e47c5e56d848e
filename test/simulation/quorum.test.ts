/** The whole quorum, seed after seed: production driver, storage and codec under everything that may go wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RunResult, simulate } from '../../src/simulation/quorum/run.ts'
import { addRun, neverHit, noRuns } from '../../src/simulation/quorum/summary.ts'
import { seedRange } from '../support/depth.ts'
import { turns } from '../support/turns.ts'

const { from, to } = seedRange(1_000)
/** Fewer seeds cannot be expected to show everything that happens sometimes. */
const seedsThatShowAll = 800

function check({ failure, seed, traceTail }: RunResult): void {
  if (failure === null) return
  const tail = traceTail().slice(-40).join('\n')
  throw new Error(`${tail}\n\n${failure.message}\n\nnpm run sim -- --seed ${seed} replays it`, { cause: failure })
}

test('simulated quorums keep every invariant and heal', { timeout: 3_600_000 }, async t => {
  const summary = noRuns()
  for (let seed = from; seed <= to; seed++) {
    const result = await simulate({ seed, turns })
    check(result)
    addRun(summary, result)
  }
  t.diagnostic(JSON.stringify(summary))
  if (summary.seeds < seedsThatShowAll) return
  assert.deepEqual(neverHit(summary), [], 'everything that must happen sometimes happened')
  assert.equal(summary.undecided, 0, 'every history was judged')
})

test('a run is a function of its seed', async () => {
  for (let seed = from; seed < from + 20; seed++) {
    const first = await simulate({ seed, turns })
    const second = await simulate({ seed, turns })
    assert.equal(first.traceHash, second.traceHash, `seed ${seed}`)
    assert.equal(first.events, second.events)
  }
})

test('two seeds are two different runs', async () => {
  const hashes = new Set<string>()
  for (let seed = from; seed < from + 10; seed++) hashes.add((await simulate({ seed, turns })).traceHash)
  assert.equal(hashes.size, 10)
})
