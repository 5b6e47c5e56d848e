/**
 * The bank of `examples/bank` with real processes: two clients withdraw 70 and 50 from an account with 100 at the same
 * moment through different nodes, while leaders are killed. Exactly one succeeds, no request is applied twice, and every
 * node ends with the same account.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { BankClient } from '../../examples/bank/client.ts'
import { BankCluster } from '../../examples/bank/cluster.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { seedRange } from '../support/depth.ts'
import { afterTest, temporaryDirectory } from './support.ts'

const nodeIds = [1, 2, 3]

test('two withdrawals, one balance: whatever becomes of the leaders, one succeeds, once, on every node', async t => {
  const cluster = await BankCluster.start(temporaryDirectory(t))
  afterTest(t, () => cluster[Symbol.asyncDispose]())
  const { from, to } = seedRange(20)
  let kills = 0
  let attempts = 0
  for (let seed = from; seed <= to; seed++) {
    const random = seededRandom(seed)
    const [anna, ben] = ['anna', 'ben'].map(
      name => new BankClient(`${name}-${seed}`, cluster.urls, random.nextInt(nodeIds.length)),
    ) as [BankClient, BankClient]
    const account = `account-${seed}`
    assert.deepEqual(await anna.open(account, 100), { kind: 'done', balance: 100 })

    const killing = killLeaders(cluster, random)
    await sleep(random.nextInt(20))
    const [seventy, fifty] = await Promise.all([anna.withdraw(account, 70), ben.withdraw(account, 50)])
    kills += await killing
    attempts += anna.attempts + ben.attempts

    const context = `MILLRACE_TEST_SEEDS=${seed}: ${JSON.stringify([seventy, fifty])}`
    assert.deepEqual([seventy.kind, fifty.kind].sort(), ['done', 'refused'], context)
    const isSeventy = seventy.kind === 'done'
    const ledger = [isSeventy ? { by: `anna-${seed}/2`, amount: 70 } : { by: `ben-${seed}/1`, amount: 50 }]
    const expected = { balance: isSeventy ? 30 : 50, ledger }
    assert.deepEqual(await ben.account(account), expected, context)
    // The clients have their answers; a copy that the network held back gets the same one, and changes nothing.
    assert.deepEqual([await anna.repeat(), await ben.repeat()], [seventy, fifty], context)
    for (const id of nodeIds) {
      let local = await cluster.localAccount(id, account)
      while (local === null || local.ledger.length === 0) {
        await sleep(10)
        local = await cluster.localAccount(id, account)
      }
      assert.deepEqual(local, expected, `${context}, node ${id}`)
    }
  }
  t.diagnostic(`${to - from + 1} rounds, ${kills} leaders killed, ${attempts} requests sent`)
  assert.ok(kills >= to - from + 1, 'leaders were killed')
})

/** Kills who leads at a random moment, starts it again, and perhaps kills the next one, too. Resolves with how many. */
async function killLeaders(cluster: BankCluster, random: Random): Promise<number> {
  const count = 1 + random.nextInt(2)
  for (let killed = 0; killed < count; killed++) {
    const leader = await cluster.leader()
    await sleep(random.nextInt(40))
    await cluster.kill(leader)
    await sleep(random.nextInt(100))
    await cluster.startNode(leader)
  }
  return count
}

test('the example runs to its end and says who got the money', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'examples/bank/main.ts'])
  assert.match(stdout, /led and was killed/)
  assert.equal(stdout.match(/kind: 'done', balance: (30|50)/g)?.length, 1)
  assert.equal(stdout.match(/^node \d:.*balance: (30|50)/gm)?.length, 3)
})
