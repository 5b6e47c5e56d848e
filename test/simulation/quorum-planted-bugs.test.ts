/** Proof that the simulation sees: each rule is broken on purpose, and the profile that suits it best must find it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QuorumRules } from '../../src/quorum/rules.ts'
import type { Rules } from '../../src/raft/options.ts'
import type { BrokenRules } from '../../src/simulation/quorum/life.ts'
import type { ProfileName } from '../../src/simulation/quorum/profiles.ts'
import { simulate } from '../../src/simulation/quorum/run.ts'
import { turns } from '../support/turns.ts'

const seedsMax = 100

/**
 * The profile that finds each soonest. The core's other rules need timing that whole members rarely give it: they are
 * found, like these, by `test/raft/planted-bugs.test.ts`.
 */
const bestForCore: Partial<Record<keyof Rules, ProfileName>> = {
  diskBeforeWire: 'churn',
  truncationClampsWrites: 'churn',
  onlyDurableIsApplied: 'churn',
  knowsDisks: 'storage',
  oneVotePerTerm: 'churn',
  electionRestriction: 'storage',
  logMatching: 'churn',
  matchingSuffixStays: 'churn',
  countOnlyOwnTerm: 'churn',
  leaderCountsOwnDisk: 'churn',
  learnersDoNotCount: 'membership',
  observersDoNotCount: 'membership',
  bothMajorities: 'membership',
  truncationRestoresConfiguration: 'membership',
  readsWaitForOwnTerm: 'churn',
  readsProveLeadership: 'churn',
}

const bestForDriver: Record<keyof QuorumRules, ProfileName> = {
  messagesWaitForDisk: 'churn',
  readsWaitForApply: 'storage',
  chunksAreChecked: 'farBehind',
  restoreWaitsForDisk: 'farBehind',
  logIsAppliedOnce: 'churn',
  snapshotIsOfItsIndex: 'farBehind',
  proposalsWaitForCommit: 'churn',
  foundersAreAllHeard: 'swarm',
  clustersKeepApart: 'membership',
}

async function firstSeedThatFails(profile: ProfileName, broken: BrokenRules): Promise<string | null> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = await simulate({ seed, turns, profile, broken })
    if (failure !== null) return `seed ${seed}: ${failure.message.split('\n')[0]}`
  }
  return null
}

function plant(rule: string, profile: ProfileName, broken: BrokenRules): void {
  test(`planted bug: without ${rule} a simulated quorum breaks`, async t => {
    const found = await firstSeedThatFails(profile, broken)
    assert.ok(found !== null, `found within ${seedsMax} seeds of ${profile}`)
    t.diagnostic(found)
  })
}

for (const [rule, profile] of Object.entries(bestForCore)) plant(rule, profile, { core: { [rule]: false } })
for (const [rule, profile] of Object.entries(bestForDriver)) plant(rule, profile, { driver: { [rule]: false } })
