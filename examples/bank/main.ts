/**
 * An account with 100. Two clients withdraw 70 and 50 at the same moment, through different nodes, and the leader is
 * killed meanwhile. Exactly one of them succeeds, and every node agrees which.
 *
 *     node --import tsx examples/bank/main.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BankClient } from './client.ts'
import { BankCluster } from './cluster.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'bank-'))
const cluster = await BankCluster.start(directory)
try {
  const anna = new BankClient('anna', cluster.urls, 0)
  const ben = new BankClient('ben', cluster.urls, 1)
  console.log('open with 100:', await anna.open('savings', 100))

  const leader = await cluster.leader()
  const withdrawals = Promise.all([anna.withdraw('savings', 70), ben.withdraw('savings', 50)])
  await cluster.kill(leader)
  console.log(`node ${leader} led and was killed`)
  const [annas, bens] = await withdrawals
  console.log(`anna withdraws 70 (${anna.attempts - 1} attempts):`, annas)
  console.log(`ben withdraws 50 (${ben.attempts} attempts):`, bens)

  await cluster.startNode(leader)
  const { balance } = await anna.account('savings')
  for (const id of cluster.running) {
    while ((await cluster.localAccount(id, 'savings'))?.balance !== balance) await sleep(20)
    console.log(`node ${id}:`, await cluster.localAccount(id, 'savings'))
  }
} finally {
  await cluster[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
}
