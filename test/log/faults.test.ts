/** Full disks, failing disks and rotten bytes: refused or rebuilt, never served, and never more than one log's trouble. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { AppendFailure, LogConfig, PartitionLog } from '../../src/log/types.ts'
import type { ApiError } from '../../src/protocol/errors.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { CorruptionError, StorageError } from '../../src/util/errors.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { batchOf, epoch0, id, logConfig, openManager, openOne, readAll, settled } from './support.ts'

const small: Partial<LogConfig> = { segmentBytes: 2000, indexIntervalBytes: 300 }
const partition = 'data/orders-0'
const code = (error: unknown): string => (error as ApiError).code

/** 40 batches of one to three records, with rising timestamps, over several segments. */
async function filled(disk: SimDisk, close: 'clean' | 'kill'): Promise<Uint8Array[]> {
  const { manager, log } = await openOne(disk, small)
  for (let at = 0; at < 40; at++) {
    const shape = { records: 1 + (at % 3), valueBytes: 60 + at, timestamp: 1000 + at * 10, fill: at }
    log.append(batchOf(shape), toLeaderEpoch(Math.floor(at / 15)))
  }
  await log.flush()
  const batches = await readAll(log)
  if (close === 'clean') await manager[Symbol.asyncDispose]()
  else await manager.checkpoint()
  return batches
}

test('a write that finds no room is taken back whole, told, and its offsets are used again', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, small)
  const failures: AppendFailure[] = []
  log.onAppendFailure(failure => failures.push(failure))
  log.append(batchOf({ records: 3 }), epoch0)
  await log.flush()
  disk.capacityBytes = 0
  log.append(batchOf({ records: 2, valueBytes: 900 }), toLeaderEpoch(5))
  log.append(batchOf({ records: 2, valueBytes: 900 }), toLeaderEpoch(5))
  await assert.rejects(log.flush(), error => code(error) === 'DISK_FULL')
  assert.deepEqual(
    failures.map(({ fromOffset, endOffset, error }) => [fromOffset, endOffset, error.code]),
    [[3, 7, 'DISK_FULL']],
  )
  assert.equal(log.failure, null)
  assert.deepEqual([log.logEndOffset, log.durableEndOffset, log.pendingBytes], [3, 3, 0])
  assert.equal(log.latestEpoch, 0, 'the epoch of the lost records is forgotten')
  assert.throws(
    () => log.append(batchOf(), epoch0),
    error => code(error) === 'DISK_FULL',
  )
  assert.equal(manager.stats().isDiskFull, true)
  assert.equal((await readAll(log)).length, 1, 'what was there is still served')
})

test('appends resume when space returns, and the lost ones do not come back after a restart', async () => {
  const disk = new SimDisk()
  let check: () => void = () => undefined
  const clock = {
    nowMs: () => 0,
    wallClockMs: () => 0,
    defer: (fn: () => void) => void setImmediate(fn),
    setTimer: (delayMs: number, fn: () => void) => {
      if (delayMs === 5000) check = fn
      return { cancel: () => undefined }
    },
  }
  const { log, manager } = await openOne(disk, small, { clock, reserveBytes: 10 })
  log.append(batchOf({ fill: 1 }), epoch0)
  await log.flush()
  disk.capacityBytes = 0
  log.append(batchOf({ fill: 2, valueBytes: 1800 }), epoch0)
  await log.flush().catch(() => undefined)
  disk.capacityBytes = 1 << 20
  check()
  await settled()
  const { baseOffset } = log.append(batchOf({ fill: 3 }), epoch0)
  assert.equal(baseOffset, 1)
  await manager[Symbol.asyncDispose]()
  const again = await openOne(disk.kill(), small)
  const values = (await readAll(again.log)).map(batch => batch.at(-2))
  assert.deepEqual(values, [batchOf({ fill: 1 }).at(-2), batchOf({ fill: 3 }).at(-2)])
})

test('appends are refused while less than the reserve is free', async () => {
  const { log } = await openOne(new SimDisk({ capacityBytes: 5000 }), small, { reserveBytes: 1 << 20 })
  assert.throws(
    () => log.append(batchOf(), epoch0),
    error => code(error) === 'DISK_FULL',
  )
})

test('a failed sync ends its log: nothing is promised, nothing retried, other logs live', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, small)
  const other = await manager.openLog({ ...id, partition: 1 }, { ...logConfig, ...small })
  let isTold = 0
  log.onProgress(() => isTold++)
  let syncs = 0
  disk.intercept = ({ kind, path }) => {
    if (kind !== 'sync' || !path.startsWith(partition)) return null
    syncs++
    return 'EIO'
  }
  log.append(batchOf(), epoch0)
  await assert.rejects(log.flush(), error => code(error) === 'KAFKA_STORAGE_ERROR')
  assert.equal(log.durableEndOffset, 0)
  assert.match(log.failure?.message ?? '', /EIO/)
  assert.equal(isTold, 1)
  assert.throws(
    () => log.append(batchOf(), epoch0),
    error => code(error) === 'KAFKA_STORAGE_ERROR',
  )
  assert.throws(
    () => log.read({ fromOffset: 0, endOffset: 1, maxBytes: 100, minOneBatch: true }),
    error => code(error) === 'KAFKA_STORAGE_ERROR',
  )
  other.append(batchOf(), epoch0)
  await other.flush()
  assert.equal(syncs, 1, 'the failed sync is not tried again')
  await manager[Symbol.asyncDispose]()
  assert.equal(syncs, 1)
  assert.equal((await openManager(disk.kill())).wasClean, false, 'the next start looks at everything')
})

test('a log that could not be made leaves no file open to the next one of its name', async () => {
  for (const errno of ['EIO', 'ENOSPC'] as const) {
    const disk = new SimDisk()
    const manager = await openManager(disk)
    disk.intercept = ({ kind, path }) => (kind === 'write' && path.includes('partition.metadata') ? errno : null)
    await manager.openLog(id, logConfig).catch(error => assert.equal(code(error), 'DISK_FULL'))
    disk.intercept = () => null
    await manager.removeLog(id)
    const other = { ...id, topicId: 'BBBBBBBBBBBBBBBBBBBBBA' }
    const log = await manager.openLog(other, logConfig)
    log.append(batchOf(), epoch0)
    await log.flush()
    const found = await (await openManager(disk.durable())).openLog(other, logConfig)
    assert.equal(found.logEndOffset, 1, errno)
  }
})

test('a failed write ends its log', async () => {
  const disk = new SimDisk()
  const { log } = await openOne(disk, small)
  disk.intercept = ({ kind }) => (kind === 'write' ? 'EIO' : null)
  log.append(batchOf(), epoch0)
  await assert.rejects(log.flush(), error => code(error) === 'KAFKA_STORAGE_ERROR')
  assert.equal(log.durableEndOffset, 0)
})

test('a read error takes the log offline', async () => {
  const disk = new SimDisk()
  const { log } = await openOne(disk, small, { tailCacheBytesMax: 0 })
  log.append(batchOf(), epoch0)
  await log.flush()
  disk.intercept = ({ kind }) => (kind === 'read' ? 'EIO' : null)
  await assert.rejects(readAll(log), error => code(error) === 'KAFKA_STORAGE_ERROR')
  assert.notEqual(log.failure, null)
})

test('a sync that never settles promises nothing and shows in the stats', async () => {
  const disk = new SimDisk()
  let nowMs = 0
  const clock = {
    nowMs: () => nowMs,
    wallClockMs: () => 0,
    defer: (fn: () => void) => void setImmediate(fn),
    setTimer: () => ({ cancel: () => undefined }),
  }
  const { log, manager } = await openOne(disk, small, { clock })
  disk.intercept = ({ kind }) => (kind === 'sync' ? 'hang' : null)
  const batch = batchOf()
  log.append(batch, epoch0)
  await settled()
  log.append(batchOf(), epoch0)
  await settled()
  nowMs = 700
  assert.equal(manager.stats().oldestSyncMs, 700)
  assert.deepEqual([log.logEndOffset, log.durableEndOffset, log.pendingBytes], [2, 0, 2 * batch.length])
})

test('a log whose last sync fails while it is closed rejects with what the disk said', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, { ...small, flushPolicy: 'os' })
  log.append(batchOf(), epoch0)
  disk.intercept = ({ kind, path }) => (kind === 'sync' && path.startsWith(partition) ? 'EIO' : null)
  await assert.rejects(
    async () => manager[Symbol.asyncDispose](),
    error => error instanceof StorageError,
  )
})

test('any flipped bit of a segment is refused when it is read, in a log that was closed cleanly', async () => {
  const reference = new SimDisk()
  const batches = await filled(reference, 'clean')
  const names = reference.list(partition).filter(name => name.endsWith('.log'))
  let refused = 0
  for (const name of names) {
    const sizeBytes = reference.sizeOf(`${partition}/${name}`)
    for (let position = 0; position < sizeBytes; position += 37) {
      const disk = new SimDisk()
      await filled(disk, 'clean')
      disk.flipBit(`${partition}/${name}`, position, position % 8)
      const { log } = await openOne(disk, small, { tailCacheBytesMax: 0 })
      const found = await readAll(log).catch(error => error as Error)
      if (!(found instanceof Error)) assertOnlyEpochDiffers(found, batches, `${name} at ${position}`)
      else {
        refused++
        assert.ok(log.failure instanceof CorruptionError, `${name} at ${position}: ${log.failure}`)
        assert.match(log.failure.where, /orders-0/)
      }
    }
  }
  assert.ok(refused > 100, `only ${refused} refused`)
})

/** The leader epoch of a batch stands outside its CRC, as the leader patches it; all else must be as it was. */
function assertOnlyEpochDiffers(found: readonly Uint8Array[], batches: readonly Uint8Array[], where: string): void {
  assert.equal(found.length, batches.length, where)
  for (const [at, batch] of found.entries()) {
    const rest = (bytes: Uint8Array): number[] => [...bytes.subarray(0, 12), ...bytes.subarray(16)]
    assert.deepEqual(rest(batch), rest(batches[at]!), where)
  }
}

test('a flipped bit in synced data is not cut off after a crash: the log goes offline, its file untouched', async () => {
  let offline = 0
  const names = ['00000000000000000000.log', '00000000000000000019.log']
  for (let position = 0; position < 1500; position += 53) {
    for (const name of names) {
      const disk = new SimDisk()
      await filled(disk, 'kill')
      const path = `${partition}/${name}`
      if (!disk.exists(path)) continue
      const sizeBytes = disk.sizeOf(path)
      disk.flipBit(path, position, 2)
      const { log, manager } = await openOne(disk.kill(), small, { tailCacheBytesMax: 0 })
      await readAll(log).catch(() => undefined)
      if (log.failure !== null) offline++
      assert.equal(disk.kill().sizeOf(path), sizeBytes, 'nothing was cut')
      assert.deepEqual(log.recovery.cuts, [])
      const other = await manager.openLog({ ...id, partition: 7 }, logConfig)
      assert.equal(other.failure, null)
    }
  }
  assert.ok(offline > 10, `only ${offline} noticed`)
})

test('rot above the recovery point, where every sector was written, is not taken for a torn tail', async () => {
  for (const position of [70, 250, 900, 1300]) {
    const disk = new SimDisk()
    const { log } = await openOne(disk, { segmentBytes: 1 << 20 })
    for (let at = 0; at < 20; at++) log.append(batchOf({ valueBytes: 100, fill: at }), epoch0)
    await log.flush()
    disk.flipBit(`${partition}/00000000000000000000.log`, position, 1)
    const { log: found } = await openOne(disk.kill(), { segmentBytes: 1 << 20 })
    assert.ok(found.failure instanceof CorruptionError, `position ${position}`)
    assert.match(found.failure.message, /00000000000000000000\.log at byte \d+/)
  }
})

test('nor is it where few bytes of the batch lie in a sector, which are zero as they were written', async () => {
  for (let valueBytes = 300; valueBytes < 300 + 512; valueBytes++) {
    const disk = new SimDisk()
    const { log } = await openOne(disk)
    const sizes = [valueBytes, 200, 200].map((size, fill) => {
      const batch = batchOf({ valueBytes: size, fill })
      log.append(batch, epoch0)
      return batch.length
    })
    await log.flush()
    disk.flipBit(`${partition}/00000000000000000000.log`, sizes[0]! + 100, 1)
    const { log: found } = await openOne(disk.kill())
    assert.ok(found.failure instanceof CorruptionError, `behind a batch of ${sizes[0]} bytes`)
  }
})

test('flipped, cut and missing indexes are rebuilt: every read gives the same bytes', async () => {
  for (const close of ['clean', 'kill'] as const) {
    const batches = await filled(new SimDisk(), close)
    const sample = new SimDisk()
    await filled(sample, close)
    const indexes = sample.list(partition).filter(name => name.endsWith('index'))
    assert.ok(indexes.length >= 6)
    for (const name of indexes) {
      for (const damage of ['remove', 'cut', 'empty', 0, 3, 7, 9, 15, 20, 27] as const) {
        const disk = new SimDisk()
        await filled(disk, close)
        const path = `${partition}/${name}`
        const sizeBytes = disk.sizeOf(path)
        if (damage === 'remove') await disk.removeFile(path)
        else if (damage === 'cut') disk.open(path, { create: false }).truncate(Math.max(0, sizeBytes - 5))
        else if (damage === 'empty') disk.open(path, { create: false }).truncate(0)
        else if (damage < sizeBytes) disk.flipBit(path, damage, 4)
        const { log } = await openOne(disk.kill(), small, { tailCacheBytesMax: 0 })
        await assertReadsAlike(log, batches, `${close}: ${name}, ${damage}`)
      }
    }
  }
})

async function assertReadsAlike(log: PartitionLog, batches: readonly Uint8Array[], where: string): Promise<void> {
  assert.equal(log.failure, null, where)
  assert.deepEqual(await readAll(log), batches, where)
  let offset = 0
  for (const [at, batch] of batches.entries()) {
    const found = await log.offsetForTimestamp(1000 + at * 10, log.logEndOffset)
    assert.equal(found?.offset, offset, `${where}, time of batch ${at}`)
    const request = { fromOffset: offset, endOffset: log.logEndOffset, maxBytes: 1, minOneBatch: true }
    assert.deepEqual((await log.read(request))[0], batch, where)
    offset += 1 + (at % 3)
  }
  assert.equal(log.failure, null, where)
}

test('any flipped bit of a small file is refused or repaired, never believed', async () => {
  const sample = new SimDisk()
  const batches = await filled(sample, 'clean')
  const paths = [
    `${partition}/partition.metadata`,
    `${partition}/leader-epoch-checkpoint`,
    'data/recovery-point-offset-checkpoint',
    'data/replication-offset-checkpoint',
    `${partition}/log-start-offset`,
  ]
  for (const path of paths) {
    for (let position = 0; ; position++) {
      const disk = new SimDisk()
      await filled(disk, 'clean')
      const before = await openOne(disk, small)
      await before.log.advanceLogStart(1)
      before.manager.highWatermarks.set(id, 1)
      await before.manager[Symbol.asyncDispose]()
      if (position >= disk.sizeOf(path)) break
      disk.flipBit(path, position, position % 7)
      const { log, manager } = await openOne(disk.kill(), small)
      if (log.failure !== null) assert.ok(log.failure instanceof CorruptionError && log.failure.where === path)
      else {
        assert.deepEqual([log.logStartOffset, log.logEndOffset], [1, 79], `${path} at ${position}`)
        assert.equal(log.endOffsetForEpoch(toLeaderEpoch(0))?.endOffset, 30, `${path} at ${position}`)
        assert.equal(log.endOffsetForEpoch(toLeaderEpoch(1))?.endOffset, 60, `${path} at ${position}`)
        assert.equal((await readAll(log)).length, batches.length - 1)
        const expected = path.endsWith('replication-offset-checkpoint') ? 0 : 1
        assert.equal(manager.highWatermarks.get(id), expected, `${path} at ${position}`)
      }
    }
  }
})

test('a damaged partition.metadata is not offered for deletion', async () => {
  const disk = new SimDisk()
  await filled(disk, 'clean')
  disk.flipBit(`${partition}/partition.metadata`, 15, 1)
  const manager = await openManager(disk)
  assert.deepEqual(manager.found(), [])
  assert.equal((await manager.openLog(id, logConfig)).failure?.name, 'CorruptionError')
})

test('segments that are missing in the middle, at the start or altogether are noticed', async () => {
  const sample = new SimDisk()
  await filled(sample, 'clean')
  const logs = sample.list(partition).filter(name => name.endsWith('.log'))
  for (const close of ['clean', 'kill'] as const) {
    for (const missing of [logs.slice(0, 1), logs.slice(1, 2), logs.slice(-1), logs]) {
      const disk = new SimDisk()
      await filled(disk, close)
      for (const name of missing) await disk.removeFile(`${partition}/${name}`)
      const { log } = await openOne(disk.kill(), small, { tailCacheBytesMax: 0 })
      await readAll(log).catch(() => undefined)
      assert.ok(log.failure instanceof CorruptionError, `${close}: ${missing.join()}`)
    }
  }
})
