/** Proof that the checks see: each rule is switched off, and random replicas must find it within a hundred seeds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeaderReplica } from '../../src/replication/leader-replica.ts'
import { type ReplicationRules, soundReplicationRules } from '../../src/replication/rules.ts'
import { toBrokerEpoch } from '../../src/util/numbers.ts'
import { seedRange } from '../support/depth.ts'
import { MemoryLog } from './memory-log.ts'
import { one, termsOf, two } from './pair.ts'
import { type ReplicaProfileName, replicaProfiles } from './replica-profiles.ts'
import { ReplicaRun } from './replica-run.ts'

type Rule = keyof ReplicationRules

/** Behind others that catch the same: what they are for is shown below, one step at a time. */
const secondLines = ['brokerEpochsAreChecked', 'staleAnswersDoNotCount'] as const satisfies readonly Rule[]

/** The profile that finds each soonest. */
const bestProfiles: Record<Exclude<Rule, (typeof secondLines)[number]>, ReplicaProfileName> = {
  oldEpochsAreFenced: 'churn',
  logsMustMatch: 'churn',
  conflictsAreCut: 'churn',
  heldBatchesStay: 'churn',
  onlyCommonPartIsAcknowledged: 'swarm',
  onlyDurableIsAcknowledged: 'churn',
  highWatermarkStaysInCommonPart: 'swarm',
  isrHoldsHighWatermark: 'churn',
  leaderCountsOwnDisk: 'churn',
  proposedMembersCount: 'trimmed',
  shrinkWaitsForController: 'isr',
  minIsrIsStrict: 'churn',
  joinersHaveEverything: 'trimmed',
  restartsAreForgetting: 'pageCache',
  matchEndOnlyRises: 'churn',
}

/** `MILLRACE_TEST_SEEDS=101:200` asks a hundred others. */
const { from } = seedRange(1)

function firstFailure(rule: keyof typeof bestProfiles): { seed: number; what: string } | null {
  const profile = replicaProfiles[bestProfiles[rule]]
  for (let seed = from; seed < from + 100; seed++) {
    try {
      // Longer than a sound run: a bug needs more than one leader.
      new ReplicaRun(seed, { ...profile, steps: profile.steps * 3 }, { [rule]: false }).run()
    } catch (error) {
      return { seed, what: (error as Error).message.split('\n')[0]! }
    }
  }
  return null
}

for (const rule of Object.keys(bestProfiles) as Array<keyof typeof bestProfiles>) {
  test(`planted bug: without ${rule} random replicas break`, t => {
    const failure = firstFailure(rule)
    assert.ok(failure !== null, 'found within 100 seeds')
    t.diagnostic(`found by seed ${failure.seed}: ${failure.what}`)
  })
}

const log = MemoryLog.of(1, 1, 2, 2, 2)

function leaderWith(rules: Partial<ReplicationRules>): LeaderReplica {
  return new LeaderReplica({
    localId: one,
    terms: termsOf(),
    durableEndOffset: log.durableEndOffset,
    logEndOffset: log.logEndOffset,
    highWatermark: 0,
    nowMs: 0,
    rules: { ...soundReplicationRules, ...rules },
  })
}

/** What the leader believes of broker 2 after it answered from the life `brokerEpoch`, and the link was lost before. */
function believed(rules: Partial<ReplicationRules>, brokerEpoch: number, isLinkLost: boolean): number | null {
  const leader = leaderWith(rules)
  const sent = leader.onSent(two, leader.next(two, log)!, log.logEndOffset)
  if (isLinkLost) leader.onLinkLost(two)
  const answer = { isMatch: true, endOffset: 5, hintEpoch: -1, brokerEpoch: toBrokerEpoch(brokerEpoch) }
  leader.onAnswer(two, sent, answer, log, 0)
  return leader.followers.get(two)!.matchEnd
}

test('second line: an answer from a life that the metadata do not know counts for nothing', () => {
  assert.equal(believed({}, 102, false), 5)
  assert.equal(believed({}, 99, false), null)
  assert.equal(believed({ brokerEpochsAreChecked: false }, 99, false), 5)
})

test('second line: an answer to what was sent before the link was lost counts for nothing', () => {
  assert.equal(believed({}, 102, true), null)
  assert.equal(believed({ staleAnswersDoNotCount: false }, 102, true), 5)
})
