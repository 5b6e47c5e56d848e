/**
 * Power is cut at every single disk operation of a random workload (appends over small segments, rolls, truncation,
 * delete-records, retention, checkpoints, restarts); the simulated disk then keeps what it likes of everything that was
 * not synced, sector by sector and name by name. Whatever was promised must be there, and nothing that was not written.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LogConfig } from '../../src/log/types.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { seededRandom } from '../../src/util/random.ts'
import { seedRange } from '../support/depth.ts'
import { judge, newAccount, runWorkload } from './crash-workload.ts'
import { batchOf, directory, epoch0, openOne } from './support.ts'

const small: Partial<LogConfig> = { segmentBytes: 2000, indexIntervalBytes: 300, retentionBytes: 5000 }

const { from, to } = seedRange(2, 2)
const seeds = Array.from({ length: to - from + 1 }, (_, at) => from + at)

async function operationsOf(seed: number, config: Partial<LogConfig>): Promise<number> {
  const disk = new SimDisk()
  const account = newAccount()
  await runWorkload(disk, seed, config, account)
  assert.equal(account.stepsDone, 45, 'the workload runs to its end when nothing fails')
  return disk.operationCount
}

for (const seed of seeds) {
  test(`sync: power cut at every operation of workload ${seed}`, async () => {
    const operations = await operationsOf(seed, small)
    assert.ok(operations > 150, `only ${operations} operations`)
    for (let at = 1; at <= operations; at++) {
      const disk = new SimDisk()
      disk.crashAtOperation = at
      const account = newAccount()
      await runWorkload(disk, seed, small, account)
      assert.ok(disk.hasCrashed, `operation ${at} was reached`)
      for (const fate of [0, 1, 2]) {
        const survivor = disk.crash(seededRandom(at * 31 + fate))
        const first = await judgeAt(survivor, account, `workload ${seed}, operation ${at}, fate ${fate}`)
        if (fate !== at % 3) continue
        const again = await judgeAt(survivor.kill(), account, `recovered again after operation ${at}, fate ${fate}`)
        assert.equal(first, again, 'recover(recover(x)) = recover(x)')
      }
    }
  })
}

async function judgeAt(disk: SimDisk, account: ReturnType<typeof newAccount>, where: string): Promise<string> {
  try {
    return await judge(disk, small, account)
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

test('power cut at every operation of a recovery', async () => {
  let cuts = 0
  for (const seed of [5, 6, 7]) {
    const operations = await operationsOf(seed, small)
    for (let at = 20; at <= operations; at += 43) {
      const disk = new SimDisk()
      disk.crashAtOperation = at
      const account = newAccount()
      await runWorkload(disk, seed, small, account)
      for (let cut = 1; ; cut++) {
        const survivor = disk.crash(seededRandom(at))
        survivor.crashAtOperation = cut
        await openOne(survivor, small).catch(() => undefined)
        if (!survivor.hasCrashed) break
        cuts++
        await judgeAt(survivor.crash(seededRandom(cut)), account, `workload ${seed}, ${at}, recovery cut at ${cut}`)
      }
    }
  }
  assert.ok(cuts > 100, `only ${cuts} cuts`)
})

test('kill -9 at any operation loses nothing that was written, under both policies', async () => {
  for (const flushPolicy of ['sync', 'os'] as const) {
    const config = { ...small, flushPolicy }
    const operations = await operationsOf(8, config)
    for (let at = 1; at <= operations; at += 2) {
      const disk = new SimDisk()
      disk.crashAtOperation = at
      const account = newAccount()
      await runWorkload(disk, 8, config, account)
      await judge(disk.kill(), config, account)
    }
  }
})

test('os: after a power cut the log opens with a prefix of what was appended', async () => {
  const config = { ...small, flushPolicy: 'os' as const }
  const operations = await operationsOf(9, config)
  for (let at = 1; at <= operations; at++) {
    const disk = new SimDisk()
    disk.crashAtOperation = at
    const account = newAccount()
    await runWorkload(disk, 9, config, account)
    // The page cache is all that was promised.
    account.promisedEnd = 0
    for (const fate of [0, 1, 2]) await judge(disk.crash(seededRandom(at * 7 + fate)), config, account)
  }
})

test('what a process made and did not live to sync, the next one syncs before it promises anything', async () => {
  for (let at = 1; ; at++) {
    const disk = new SimDisk()
    disk.makeDirectory(directory)
    await disk.syncDirectory('')
    disk.crashAtOperation = disk.operationCount + at
    await openOne(disk).catch(() => undefined)
    const isCut = disk.hasCrashed
    const next = disk.kill()
    const { log } = await openOne(next)
    log.append(batchOf(), epoch0)
    await log.flush()
    const { log: survivor } = await openOne(next.durable())
    assert.equal(survivor.logEndOffset, 1, `killed at operation ${at}, then flushed, then without power`)
    if (!isCut) return
  }
})
