/** Proof that the checks see: each rule is switched off, and random clusters must find it within a hundred seeds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rules } from '../../src/raft/options.ts'
import { seedRange } from '../support/depth.ts'
import { type ProfileName, profiles } from './profiles.ts'
import { RandomRun } from './random-run.ts'

/** The profile that finds each soonest. */
const bestProfiles: Record<keyof Rules, ProfileName> = {
  diskBeforeWire: 'churn',
  truncationClampsWrites: 'late',
  onlyDurableIsApplied: 'disks',
  knowsDisks: 'disks',
  oneVotePerTerm: 'churn',
  electionRestriction: 'churn',
  preVote: 'churn',
  leaderIsDefended: 'churn',
  checkQuorum: 'staleReads',
  logMatching: 'membership',
  matchingSuffixStays: 'membership',
  staleAnswersDoNotCount: 'late',
  matchIndexOnlyRises: 'staleReads',
  countOnlyOwnTerm: 'membership',
  leaderCountsOwnDisk: 'membership',
  learnersDoNotCount: 'membership',
  observersDoNotCount: 'disks',
  bothMajorities: 'membership',
  oneChangeAtATime: 'membership',
  changesWaitForOwnTerm: 'membership',
  truncationRestoresConfiguration: 'membership',
  snapshotsOnlyMoveForward: 'farBehind',
  snapshotsKeepTheirConfiguration: 'membership',
  readsWaitForOwnTerm: 'staleReads',
  readsProveLeadership: 'staleReads',
}

/** `MILLRACE_TEST_SEEDS=101:200` asks a hundred others. */
const { from } = seedRange(1)

function firstFailure(rule: keyof Rules): { seed: number; what: string } | null {
  const profile = profiles[bestProfiles[rule]]
  for (let seed = from; seed < from + 100; seed++) {
    try {
      // Longer than a clean run: a bug needs more than one leader.
      new RandomRun(seed, { ...profile, steps: profile.steps * 3 }, { [rule]: false }).run()
    } catch (error) {
      return { seed, what: (error as Error).message.split('\n')[0]! }
    }
  }
  return null
}

for (const rule of Object.keys(bestProfiles) as Array<keyof Rules>) {
  test(`planted bug: without ${rule} a random cluster breaks`, t => {
    const failure = firstFailure(rule)
    assert.ok(failure !== null, 'found within 100 seeds')
    t.diagnostic(`found by seed ${failure.seed}: ${failure.what}`)
  })
}
