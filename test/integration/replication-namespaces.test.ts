/**
 * Three nodes, each in a network namespace of its own, and a kernel that loses packets between them: what the proxy of
 * `replication-chaos` cannot do to TCP. Needs root, `ip` and `nft`.
 *
 * Longer: `MILLRACE_TEST_DEPTH=25 node scripts/test.mjs replication-namespaces --test-timeout=7200000`.
 */
import { test } from 'node:test'
import { seededRandom } from '../../src/util/random.ts'
import { cutFaults, processFaults } from '../support/chaos/faults.ts'
import { lossFault, namespacesMissing } from '../support/chaos/namespaces.ts'
import { accountOf, torment } from '../support/chaos/nemesis.ts'
import { assertKept, createTopic, startInNamespaces, startLoad } from '../support/chaos/rig.ts'
import { runs, seedRange } from '../support/depth.ts'

const topic = 'chaos'
const partitions = 6

test('packets are lost between namespaces, and nodes die', {
  timeout: 7_000_000,
  skip: namespacesMissing(),
}, async t => {
  const { from: seed } = seedRange(1, 1 + Math.floor(Math.random() * 1_000_000))
  t.diagnostic(`again with MILLRACE_TEST_SEEDS=${seed}, which decides the faults and the load`)
  const { cluster, network } = await startInNamespaces(t)
  await createTopic(cluster, { name: topic, partitions })
  const load = startLoad(t, { urls: cluster.urls, topic, partitions, producers: 2, consumers: 2, seed })
  await load.goesOn()
  const faults = [...cutFaults(network), lossFault(network), ...processFaults(cluster, topic)]
  const recoveries = await torment({
    faults,
    random: seededRandom(seed),
    rounds: runs(8),
    holdMsMax: 2_500,
    recovered: () => load.goesOn(),
  })
  await cluster.untilReady()
  await load.finish()
  t.diagnostic(accountOf(recoveries))
  assertKept(t, load)
})
