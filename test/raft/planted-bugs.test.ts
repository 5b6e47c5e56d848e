/** Proof that the checks see: each safety rule is switched off, and random clusters must find it within a hundred seeds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rules } from '../../src/raft/options.ts'
import { profiles, RandomRun } from './random-run.ts'

/** The profile that finds each soonest. */
const bestProfiles: Partial<Record<keyof Rules, keyof typeof profiles>> = {
  diskBeforeWire: 'churn',
  countOnlyOwnTerm: 'churn',
  electionRestriction: 'farBehind',
  oneVotePerTerm: 'churn',
  logMatching: 'swarm',
  leaderCountsOwnDisk: 'swarm',
  bothMajorities: 'membership',
  truncationClampsWrites: 'farBehind',
}

function firstSeedThatFails(rule: keyof Rules): number | null {
  const profile = profiles[bestProfiles[rule]!]
  for (let seed = 1; seed <= 100; seed++) {
    try {
      // Longer than a clean run: a bug needs more than one leader.
      new RandomRun(seed, { ...profile, steps: profile.steps * 3 }, { [rule]: false }).run()
    } catch {
      return seed
    }
  }
  return null
}

for (const rule of Object.keys(bestProfiles) as Array<keyof Rules>) {
  test(`planted bug: without ${rule} a random cluster breaks`, t => {
    const seed = firstSeedThatFails(rule)
    assert.ok(seed !== null, 'found within 100 seeds')
    t.diagnostic(`found by seed ${seed}`)
  })
}
