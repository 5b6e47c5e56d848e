/**
 * Three nodes as processes, their disks real, links between them that can be told what to do; producers and consumers at
 * work all the time; one fault after the other. What the clients were told is judged as Jepsen judges Kafka: nothing acknowledged
 * is lost, nothing changes its place, nobody reads what was not committed; and in the end all replicas are the same, byte by
 * byte. Power cuts and full disks need root (ext4 in files, mounted); without it they are left out, and the run says so.
 *
 * Half an hour: `MILLRACE_TEST_DEPTH=25 node scripts/test.mjs replication-chaos --test-timeout=7200000`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/util/random.ts'
import { cutPower, diskFaults, restorePower } from '../support/chaos/disk-faults.ts'
import { loopDisks } from '../support/chaos/disks.ts'
import { cutFaults, linkFaults, processFaults, storageFaults, together, wipeFault } from '../support/chaos/faults.ts'
import { accountOf, torment } from '../support/chaos/nemesis.ts'
import { assertSameReplicas } from '../support/chaos/replicas.ts'
import { assertKept, createTopic, hasShim, startBehindLinks, startLoad } from '../support/chaos/rig.ts'
import { runs, seedRange } from '../support/depth.ts'

const topic = 'chaos'
const partitions = 6
const timeout = 7_000_000

test('processes, links and disks fail in turn under load', { timeout }, async t => {
  const { from: seed } = seedRange(1, 1 + Math.floor(Math.random() * 1_000_000))
  t.diagnostic(`again with MILLRACE_TEST_SEEDS=${seed}, which decides the faults and the load`)
  const { cluster, mesh, diskOf } = await startBehindLinks(t, seed)
  await createTopic(cluster, { name: topic, partitions })
  const load = startLoad(t, { urls: cluster.urls, topic, partitions, producers: 3, consumers: 3, seed })
  await load.goesOn()
  const ofProcesses = processFaults(cluster, topic)
  const ofNetwork = [...cutFaults(mesh), ...linkFaults(mesh)]
  const faults = [
    ...ofProcesses,
    ...ofNetwork,
    together('a bad network and processes that die', ofNetwork, ofProcesses),
    ...(hasShim ? storageFaults(cluster) : []),
    ...(diskOf === null ? [] : diskFaults(cluster, diskOf)),
    wipeFault(cluster, topic),
  ]
  const recoveries = await torment({
    faults,
    random: seededRandom(seed),
    rounds: runs(faults.length),
    holdMsMax: 2_500,
    recovered: () => load.goesOn(),
    onStrike: ({ name }) => {
      if (process.env.MILLRACE_TEST_VERBOSE) console.log(new Date().toISOString(), name, load.account)
    },
  })
  await cluster.untilReady()
  await load.finish()
  await cluster.untilInSync(topic)
  t.diagnostic(accountOf(recoveries))
  assertKept(t, load)
  await cluster.stop('SIGTERM')
  const directories = cluster.nodes.map(({ dataDir }) => dataDir)
  t.diagnostic(`three equal replicas of ${assertSameReplicas(directories, topic, partitions)} bytes`)
})

const disks = loopDisks()
const noDisks = 'missing' in disks ? disks.missing : false

for (const policy of ['sync', 'os'] as const) {
  const what = policy === 'sync' ? 'lose nothing' : 'lose what they may: this test can see a loss'
  test(`the power of all nodes cut under flush.policy=${policy}: they ${what}`, { timeout, skip: noDisks }, async t => {
    const seed = 1
    const { cluster, diskOf } = await startBehindLinks(t, seed)
    await createTopic(cluster, { name: topic, partitions, configs: { 'flush.policy': policy } })
    // One that reads notices a loss, too, and ends.
    const consumers = policy === 'sync' ? 1 : 0
    const load = startLoad(t, { urls: cluster.urls, topic, partitions, producers: 2, consumers, seed })
    for (let cut = 0; cut < runs(policy === 'sync' ? 3 : 1); cut++) {
      await load.goesOn(50)
      await cutPower(cluster.nodes, diskOf!)
      await restorePower(cluster.nodes, diskOf!)
      await load.goesOn()
    }
    await load.finish()
    if (policy === 'sync') {
      assertKept(t, load)
      return
    }
    const { isValid, counts } = load.verdict()
    t.diagnostic(JSON.stringify(counts))
    assert.equal(isValid, false)
  })
}
