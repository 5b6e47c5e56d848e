/** Several hundred random clusters per profile; a failure names the seed, and the run is a function of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedRange } from '../support/depth.ts'
import { type Profile, profiles } from './profiles.ts'
import { RandomRun } from './random-run.ts'

const { from, to } = seedRange(150)
const seedsPerProfile = to - from + 1

function runSeeds(profile: Profile): Record<string, number> {
  const totals: Record<string, number> = {}
  for (let seed = from; seed <= to; seed++) {
    const run = new RandomRun(seed, profile)
    try {
      run.run()
    } catch (cause) {
      throw new Error(
        `profile ${profile.name}, seed ${seed}: ${(cause as Error).message} (MILLRACE_TEST_SEEDS=${seed} replays it)`,
        { cause },
      )
    }
    for (const [name, count] of Object.entries(run.invariants.counts)) totals[name] = (totals[name] ?? 0) + count
  }
  return totals
}

for (const profile of Object.values(profiles)) {
  test(`random clusters: ${profile.name} keeps every invariant and heals`, () => {
    const totals = runSeeds(profile)
    // A run in which nothing happens proves nothing.
    assert.ok(totals.elections! > seedsPerProfile, 'leaders were elected more than once a run')
    assert.ok(totals.commits! > seedsPerProfile * 10, 'entries were committed')
    assert.ok(totals.reads! > seedsPerProfile / 10, 'reads were confirmed')
    if (profile.name === 'churn') assert.ok(totals.truncations! > seedsPerProfile / 4, 'tails were dropped')
    if (profile.name === 'farBehind') assert.ok(totals.snapshotsInstalled! > 0, 'snapshots were installed')
    if (profile.name === 'disks') assert.ok(totals.observed! > seedsPerProfile, 'observers were fed')
    if (profile.name === 'membership') assert.ok(totals.jointCommits! > seedsPerProfile / 4, 'joint majorities decided')
  })
}
