/** Several hundred random lives of a partition; a failure names the seed, and the run is a function of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedRange } from '../support/depth.ts'
import { type ReplicaProfile, replicaProfiles } from './replica-profiles.ts'
import { ReplicaRun } from './replica-run.ts'

const { from, to } = seedRange(120)
const seedCount = to - from + 1

function runSeeds(profile: ReplicaProfile): Record<string, number> {
  const totals: Record<string, number> = {}
  for (let seed = from; seed <= to; seed++) {
    const run = new ReplicaRun(seed, profile)
    try {
      run.run()
    } catch (cause) {
      const what = `profile ${profile.name}, seed ${seed}: ${(cause as Error).message}`
      throw new Error(`${what} (MILLRACE_TEST_SEEDS=${seed} replays it)`, { cause })
    }
    for (const [name, count] of Object.entries({ ...run.invariants.counts, ...run.cluster.counts })) {
      totals[name] = (totals[name] ?? 0) + count
    }
  }
  return totals
}

for (const profile of Object.values(replicaProfiles)) {
  test(`random replicas: ${profile.name} keeps every invariant and heals`, t => {
    const totals = runSeeds(profile)
    t.diagnostic(JSON.stringify(totals))
    // A run in which nothing happens proves nothing.
    assert.ok(totals.commits! > seedCount * 10, 'records were committed')
    assert.ok(totals.reigns! > seedCount * 2, 'leaders came and went')
    assert.ok(totals.shrinks! > seedCount && totals.grows! > seedCount, 'the ISR shrank and grew')
    assert.ok(totals.cuts! > seedCount / 4, 'tails were cut off')
    assert.ok(totals.eligibleLeads! > seedCount / 4, 'eligible replicas were elected')
    assert.ok(totals.refusals! > seedCount / 4, 'the controller refused')
    if (profile.name === 'trimmed') assert.ok(totals.restarts! > seedCount / 4, 'logs were begun anew')
    if (profile.name === 'pageCache') assert.ok(totals.powerLosses! > seedCount / 4, 'power was lost')
  })
}
