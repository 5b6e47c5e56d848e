/** Clusters of whole nodes, seed after seed: production code from the clients down to the disks, under every fault. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ClusterProfileName } from '../../src/simulation/cluster/profiles.ts'
import { type ClusterRunResult, simulateCluster } from '../../src/simulation/cluster/run.ts'
import { clusterSometimesNames, uncleanSometimesNames } from '../../src/simulation/cluster/sometimes.ts'
import { addRun, neverHit, noRuns, type Summary } from '../../src/simulation/quorum/summary.ts'
import { seedRange } from '../support/depth.ts'
import { turns } from '../support/turns.ts'

const { from, to } = seedRange(52)
/** Fewer seeds cannot be expected to show everything that happens sometimes. */
const seedsThatShowAll = 52

/** Where unclean elections are allowed, and few that show what is to be seen of them. */
const unclean = seedRange(12, 6)
const uncleanSeedsThatShowAll = 12

function check({ failure, seed, profile, traceTail }: ClusterRunResult): void {
  if (failure === null) return
  const tail = traceTail().slice(-40).join('\n')
  const replay = `npm run sim -- --seed ${seed} --profile ${profile} replays it`
  throw new Error(`${tail}\n\n${failure.message}\n\n${replay}`, { cause: failure })
}

/** Runs the seeds, and fails if a run does; of `count` seeds or more, also if anything of `mustHappen` never did. */
async function runSeeds(
  t: TestContext,
  profile: ClusterProfileName,
  seeds: ReturnType<typeof seedRange>,
  { count, mustHappen }: { readonly count: number; readonly mustHappen: readonly string[] },
): Promise<Summary> {
  const summary = noRuns(mustHappen)
  for (let seed = seeds.from; seed <= seeds.to; seed++) {
    const result = await simulateCluster({ seed, turns, profile })
    check(result)
    addRun(summary, result)
  }
  t.diagnostic(JSON.stringify(summary))
  if (summary.seeds < count) return summary
  const missing = neverHit(summary).filter(name => mustHappen.includes(name))
  assert.deepEqual(missing, [], 'everything that must happen sometimes happened')
  return summary
}

test('simulated clusters keep what they acknowledged, tell it everywhere, and heal', {
  timeout: 3_600_000,
}, async t => {
  const wanted = { count: seedsThatShowAll, mustHappen: clusterSometimesNames }
  const summary = await runSeeds(t, 'cluster', { from, to }, wanted)
  if (summary.seeds < seedsThatShowAll) return
  assert.equal(summary.undecided, 0, 'every history was judged')
})

test('unclean elections lose what they must, tell whoever has read it, and nothing else is lost', {
  timeout: 3_600_000,
}, async t => {
  await runSeeds(t, 'unclean', unclean, { count: uncleanSeedsThatShowAll, mustHappen: uncleanSometimesNames })
})

test('a run of a cluster is a function of its seed', async () => {
  for (let seed = from; seed < from + 3; seed++) {
    const first = await simulateCluster({ seed, turns })
    const second = await simulateCluster({ seed, turns })
    assert.equal(first.traceHash, second.traceHash, `seed ${seed}`)
    assert.equal(first.events, second.events)
  }
})
