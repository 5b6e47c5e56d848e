/**
 * `millrace dev --nodes 3` under admin load while its leaders and followers are killed and frozen in turn, one at a time:
 * what was acknowledged exists once, what was deleted stays away, and somebody leads again soon. 200 rounds:
 * `MILLRACE_TEST_DEPTH=25 node scripts/test.mjs quorum-chaos --test-timeout=3600000`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { describeQuorum } from '../../src/protocol/apis/index.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import { runs } from '../support/depth.ts'
import { AdminLoad } from './admin-load.ts'
import { type DevCluster, type DevNode, startDev } from './dev-cluster.ts'
import { afterTest, connectionOptions } from './support.ts'

const pollMs = 20
const clients = 4
/** Of the quorum, by default. */
const electionTimeoutMs = 1_000

type Fault = 'kill' | 'freeze'

test('leaders and followers killed and frozen under admin load', { timeout: 3_000_000 }, async t => {
  const cluster = await startDev(t, 3)
  const load = new AdminLoad(cluster.urls, clients)
  load.start()
  const gapsMs: number[] = []
  const done = { kill: 0, freeze: 0, leaders: 0 }
  for (let round = 0; round < runs(8); round++) {
    const leaderId = await leaderSeenBy(cluster.nodes)
    const isLeader = round % 2 === 0
    const victims = cluster.nodes.filter(node => (node.id === leaderId) === isLeader)
    const victim = victims[Math.floor(Math.random() * victims.length)]!
    const fault: Fault = Math.random() < 0.5 ? 'kill' : 'freeze'
    done[fault]++
    if (isLeader) done.leaders++
    const createdBefore = load.counts.created
    await strike(t, cluster, victim, fault, async () => {
      const startedMs = performance.now()
      await leaderSeenBy(
        cluster.nodes.filter(node => node !== victim),
        victim.id,
      )
      if (isLeader) gapsMs.push(performance.now() - startedMs)
      // The load goes on without it.
      while (load.counts.created === createdBefore) await pause(pollMs)
    })
  }
  await load.stop()
  await load.check()
  assert.ok(load.counts.created > runs(8), 'there was load')
  gapsMs.sort((a, b) => a - b)
  const median = gapsMs[Math.floor(gapsMs.length / 2)]!
  t.diagnostic(`faults ${JSON.stringify(done)}, clients ${JSON.stringify(load.counts)}`)
  t.diagnostic(
    `time without a leader: median ${median.toFixed(0)} ms, most ${gapsMs.at(-1)!.toFixed(0)} ms ` +
      `(election timeout ${electionTimeoutMs} ms)`,
  )
  assert.equal(await cluster.stop(), 0)
})

/** Takes one node away, runs `meanwhile`, and waits until the node is back. */
async function strike(
  t: Parameters<typeof startDev>[0],
  cluster: DevCluster,
  victim: DevNode,
  fault: Fault,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const { returns, pid } = victim
  if (fault === 'kill') {
    process.kill(pid, 'SIGKILL')
    await meanwhile()
    await cluster.untilBack(victim, returns)
    return
  }
  process.kill(pid, 'SIGSTOP')
  let isFrozen = true
  const thaw = (): void => {
    if (isFrozen) process.kill(pid, 'SIGCONT')
    isFrozen = false
  }
  afterTest(t, thaw)
  await meanwhile()
  thaw()
}

/** Asks nodes until one names a leader that is not `not`; a node that cannot know does not answer. */
async function leaderSeenBy(nodes: readonly DevNode[], not = -1): Promise<number> {
  const answered = new AbortController()
  // Not the admin client, which would go and look for the controller: these very nodes shall say.
  const ask = async ({ url }: DevNode): Promise<number> => {
    await using connection = await openConnection(url, connectionOptions)
    while (!answered.signal.aborted) {
      const quorum = await connection.request(describeQuorum, { timeoutMs: electionTimeoutMs }).catch(() => null)
      if (quorum !== null && quorum.leaderId !== -1 && quorum.leaderId !== not) return quorum.leaderId
      await pause(pollMs)
    }
    throw answered.signal.reason
  }
  try {
    return await Promise.any(nodes.map(ask))
  } finally {
    answered.abort()
  }
}
