/** Proof that simulated clusters see: each rule is broken on purpose, and the profile that suits it best must find it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterRules } from '../../src/simulation/cluster/cluster-rules.ts'
import type { ClusterProfileName } from '../../src/simulation/cluster/profiles.ts'
import { simulateCluster } from '../../src/simulation/cluster/run.ts'
import { turns } from '../support/turns.ts'

/** From the first of the seeds that find it soon on: CI has little time, and a hundred from 1 on find it as well. */
const seedsMax = 10

const found: Partial<Record<keyof ClusterRules, readonly [profile: ClusterProfileName, firstSeed: number]>> = {
  acksWaitForReplicas: ['replicas', 2],
  readsStopAtHighWatermark: ['replicas', 3],
  givesUpWhatWasSent: ['replicas', 28],
  keepsSendOrder: ['leaders', 7],
  leadsOnlyWhenRegistered: ['leaders', 8],
  lostCachesAreAdmitted: ['leaders', 1],
  lostRecordsAreNotCommitted: ['leaders', 5],
  distrustsLostLogs: ['leaders', 1],
  eligibilityEnds: ['replicas', 2],
  electsOnlyEligible: ['leaders', 1],
  fencesSilentBrokers: ['replicas', 3],
  topicIdsAreNew: ['replicas', 3],
  answersWaitForCommit: ['cluster', 1],
  answersRetriesOnce: ['cluster', 3],
  provesReads: ['cluster', 1],
  conflictsAreCut: ['replicas', 5],
  logsMustMatch: ['leaders', 19],
  onlyDurableIsAcknowledged: ['replicas', 2],
  isrHoldsHighWatermark: ['replicas', 2],
  leaderCountsOwnDisk: ['leaders', 48],
  shrinkWaitsForController: ['replicas', 6],
  proposedMembersCount: ['leaders', 2],
  minIsrIsStrict: ['replicas', 4],
  restartsAreForgetting: ['leaders', 1],
  whoHasAllComesFirst: ['unclean', 26],
  uncleanElectionsVoidHighWatermarks: ['unclean', 15],
  readersLearnOfTruncation: ['unclean', 9],
}

for (const [rule, [profile, firstSeed]] of Object.entries(found)) {
  test(`planted bug: without ${rule} a simulated cluster breaks`, async t => {
    for (let seed = firstSeed; seed < firstSeed + seedsMax; seed++) {
      const { failure } = await simulateCluster({ seed, turns, profile, broken: { [rule]: false } })
      if (failure === null) continue
      t.diagnostic(`seed ${seed}: ${failure.message.split('\n')[0]}`)
      return
    }
    assert.fail(`not found by seeds ${firstSeed} to ${firstSeed + seedsMax - 1} of ${profile}`)
  })
}
