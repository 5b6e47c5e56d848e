/**
 * A scripted random workload on a simulated disk that may lose power at any operation, and the judge of what is found
 * afterwards. The workload keeps its own account: what was appended where, and what was promised.
 */
import assert from 'node:assert/strict'
import type { LogConfig, LogManager, PartitionLog } from '../../src/log/types.ts'
import { patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import { CrashSignal, type SimDisk } from '../../src/simulation/sim-disk.ts'
import { concatBytes } from '../../src/util/bytes.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { batchOf, openOne, readAll } from './support.ts'

export interface Account {
  /** Every batch that may be in the log, by base offset; several when a truncation made room for another. */
  readonly appended: Map<number, Uint8Array[]>
  /** The batches as they stand now, by base offset. */
  readonly current: Map<number, Uint8Array>
  /** End offset that was promised, lowered when a truncation begins. */
  promisedEnd: number
  /** Where a truncation under way cuts: what becomes durable above it meanwhile is promised to nobody. */
  cutAt: number
  /** Log start that was promised. */
  promisedStart: number
  /** Highest start that was asked for, promised or not. */
  requestedStart: number
  stepsDone: number
}

export function newAccount(): Account {
  const maps = { appended: new Map(), current: new Map() }
  return { ...maps, promisedEnd: 0, cutAt: Number.POSITIVE_INFINITY, promisedStart: 0, requestedStart: 0, stepsDone: 0 }
}

const steps = 45

/** Runs until the script ends or the disk dies; every promise is entered in the account at once. */
export async function runWorkload(disk: SimDisk, seed: number, config: Partial<LogConfig>, account: Account) {
  const random = seededRandom(seed)
  let opened: { manager: LogManager; log: PartitionLog } | null = null
  let epoch = 0
  try {
    for (let step = 0; step < steps; step++) {
      opened ??= await openOne(disk, config, { tailCacheBytesMax: 600, openFilesMax: 4 })
      const { log, manager } = opened
      if (log.failure !== null) throw log.failure
      log.onProgress(() => notePromise(log, disk, account))
      const choice = random.nextInt(22)
      if (choice < 13) {
        appendSome(log, random, epoch, account)
        if (choice < 9) await log.flush()
        else await new Promise(resolve => setImmediate(resolve))
      } else if (choice === 13) epoch++
      else if (choice === 14) await truncate(log, random, account)
      else if (choice === 15) await deleteRecords(log, random, account)
      else if (choice === 16) await retain(log, account)
      else if (choice === 17) await manager.checkpoint()
      else if (choice === 18) {
        await manager[Symbol.asyncDispose]()
        opened = null
      } else if (choice === 19) await restart(log, random, account)
      else if (choice === 20) epoch = replicateSome(log, random, epoch, account)
      else log.reconfigure(log.config)
      account.stepsDone++
    }
    await opened?.manager[Symbol.asyncDispose]()
  } catch (error) {
    if (!isOfCrash(error, disk)) throw error
  }
}

function isOfCrash(error: unknown, disk: SimDisk): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof CrashSignal) return true
  return disk.hasCrashed
}

function notePromise(log: PartitionLog, disk: SimDisk, account: Account): void {
  if (disk.hasCrashed || log.failure !== null) return
  account.promisedEnd = Math.max(account.promisedEnd, Math.min(log.durableEndOffset, account.cutAt))
}

function appendSome(log: PartitionLog, random: Random, epoch: number, account: Account): void {
  for (let count = 1 + random.nextInt(4); count > 0; count--) {
    const shape = { records: 1 + random.nextInt(3), valueBytes: 10 + random.nextInt(400), fill: random.nextInt(250) }
    const batch = batchOf({ ...shape, timestamp: 1000 + log.logEndOffset * 10 + random.nextInt(30) })
    const { baseOffset } = log.append(batch, toLeaderEpoch(epoch))
    account.appended.set(baseOffset, [...(account.appended.get(baseOffset) ?? []), batch])
    account.current.set(baseOffset, batch)
  }
}

/** Batches of several epochs in one append, as a follower gets them. Returns the last epoch. */
function replicateSome(log: PartitionLog, random: Random, from: number, account: Account): number {
  const batches: Uint8Array[] = []
  let epoch = from
  let offset = log.logEndOffset
  for (let count = 2 + random.nextInt(3); count > 0; count--) {
    const records = 1 + random.nextInt(3)
    const batch = batchOf({ records, valueBytes: 10 + random.nextInt(400), timestamp: 1000 + offset * 10 })
    patchBatch(batch, 0, offset, epoch)
    batches.push(batch)
    account.appended.set(offset, [...(account.appended.get(offset) ?? []), batch])
    account.current.set(offset, batch)
    offset += records
    epoch += random.nextInt(2)
  }
  log.appendReplicated(concatBytes(batches))
  assert.equal(log.logEndOffset, offset)
  return epoch
}

async function restart(log: PartitionLog, random: Random, account: Account): Promise<void> {
  const offset = random.nextInt(log.logEndOffset + 10)
  account.promisedEnd = account.cutAt = Math.min(log.logStartOffset, offset)
  account.promisedStart = Math.min(account.promisedStart, offset)
  account.requestedStart = Math.max(account.requestedStart, offset)
  account.current.clear()
  await log.restartAt(offset, 'test')
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.durableEndOffset], [offset, offset, offset])
  account.promisedEnd = account.promisedStart = account.requestedStart = offset
  account.cutAt = Number.POSITIVE_INFINITY
}

async function truncate(log: PartitionLog, random: Random, account: Account): Promise<void> {
  const { logStartOffset, logEndOffset } = log
  const offset = logStartOffset + random.nextInt(logEndOffset - logStartOffset + 1)
  const bases = [...account.current.keys()].sort((a, b) => a - b)
  // A batch that contains the offset goes whole.
  const end = Math.max(0, ...bases.filter(base => base <= offset))
  const isWhole = offset >= logEndOffset
  if (!isWhole) account.promisedEnd = account.cutAt = Math.min(account.promisedEnd, end)
  await log.truncateTo(offset, 'test')
  account.cutAt = Number.POSITIVE_INFINITY
  for (const base of bases) if (base >= log.logEndOffset) account.current.delete(base)
}

async function deleteRecords(log: PartitionLog, random: Random, account: Account): Promise<void> {
  const { logStartOffset, logEndOffset } = log
  const offset = logStartOffset + random.nextInt(logEndOffset - logStartOffset + 1)
  account.requestedStart = Math.max(account.requestedStart, offset)
  await log.advanceLogStart(offset)
  account.promisedStart = Math.max(account.promisedStart, log.logStartOffset)
}

async function retain(log: PartitionLog, account: Account): Promise<void> {
  account.requestedStart = Math.max(account.requestedStart, log.logEndOffset)
  await log.applyRetention(1_700_000_000_000, log.durableEndOffset)
  account.promisedStart = Math.max(account.promisedStart, log.logStartOffset)
}

/** Opens the survivor and checks everything the account knows. Returns a fingerprint of the log's contents. */
export async function judge(disk: SimDisk, config: Partial<LogConfig>, account: Account): Promise<string> {
  const { manager, log } = await openOne(disk, config, { tailCacheBytesMax: 0 })
  assert.equal(log.failure, null, `the log does not open: ${log.failure?.message}`)
  assert.ok(log.logEndOffset >= account.promisedEnd, `promised up to ${account.promisedEnd}, found ${log.logEndOffset}`)
  assert.ok(log.logStartOffset >= account.promisedStart, 'deleted records are back')
  assert.ok(log.logStartOffset <= Math.max(account.requestedStart, account.promisedStart), 'nobody deleted so much')
  const batches = await readAll(log)
  let offset = log.logStartOffset
  for (const batch of batches) {
    const { baseOffset, lastOffsetDelta } = readBatchHeader(batch, 0)
    assert.ok(baseOffset <= offset, 'no hole')
    const candidates = account.appended.get(baseOffset) ?? []
    const isKnown = candidates.some(candidate => Buffer.compare(candidate, batch) === 0)
    assert.ok(isKnown, `the batch at ${baseOffset} was never appended`)
    const current = account.current.get(baseOffset)
    if (baseOffset + lastOffsetDelta < account.promisedEnd && current !== undefined) {
      assert.deepEqual(batch, current, `the batch at ${baseOffset} is not the one that was promised`)
    }
    offset = baseOffset + lastOffsetDelta + 1
  }
  assert.equal(offset, log.logEndOffset, 'everything up to the end can be read')
  await checkIndexes(log, batches)
  const print = fingerprint(log, batches)
  await manager[Symbol.asyncDispose]()
  return print
}

/** Every batch is found by its offset and, where timestamps rise, by its time. */
async function checkIndexes(log: PartitionLog, batches: readonly Uint8Array[]): Promise<void> {
  for (const batch of batches) {
    const { baseOffset, lastOffsetDelta, maxTimestamp } = readBatchHeader(batch, 0)
    const fromOffset = Math.max(baseOffset + lastOffsetDelta, log.logStartOffset)
    const read = { fromOffset, endOffset: log.logEndOffset, maxBytes: 1, minOneBatch: true }
    const [found] = await log.read(read)
    assert.equal(readBatchHeader(found!, 0).baseOffset, baseOffset)
    const expected = batches.find(each => readBatchHeader(each, 0).maxTimestamp >= maxTimestamp)!
    const byTime = await log.offsetForTimestamp(maxTimestamp, log.logEndOffset)
    assert.equal(byTime?.offset, Math.max(readBatchHeader(expected, 0).baseOffset, log.logStartOffset))
  }
}

export function fingerprint(log: PartitionLog, batches: readonly Uint8Array[]): string {
  const epochs = Array.from({ length: 12 }, (_, epoch) => log.endOffsetForEpoch(toLeaderEpoch(epoch))?.endOffset ?? -1)
  return JSON.stringify([log.logStartOffset, log.logEndOffset, epochs, batches.map(batch => batch.length)])
}
