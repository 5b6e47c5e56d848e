/** What a log does, case by case: group commit, rolling, layout of files, look-ups, deletion, many logs at once. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { inspectBatches, inspectIndex, inspectTimeIndex, verifyDirectory } from '../../src/log/inspect.ts'
import type { LogConfig, PartitionLog } from '../../src/log/types.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import type { ApiError } from '../../src/protocol/errors.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { concatBytes } from '../../src/util/bytes.ts'
import { AssertionError } from '../../src/util/errors.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { batchOf, epoch0, id, logConfig, openManager, openOne, readAll, settled } from './support.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const partition = 'data/orders-0'
const dayMs = 86_400_000

test('what arrives in one turn is one write and one sync; what arrives during a sync waits for the next', async () => {
  const clock = new VirtualClock()
  const disk = new SimDisk({ clock, syncDelayMs: 10 })
  const opening = openOne(disk, {}, { clock })
  for (let turn = 0; turn < 10; turn++) {
    clock.advance(10)
    await settled()
  }
  const { log, manager } = await opening
  const seen: number[] = []
  log.onProgress(() => seen.push(log.durableEndOffset))
  const before = manager.stats()
  for (let count = 0; count < 5; count++) log.append(batchOf(), epoch0)
  assert.equal(log.logEndOffset, 5)
  clock.runDue()
  log.append(batchOf(), epoch0)
  clock.runDue()
  log.append(batchOf(), epoch0)
  clock.runDue()
  assert.equal(manager.stats().writes - before.writes, 3)
  assert.deepEqual(seen, [], 'nothing is promised before the sync is done')
  for (let turn = 0; turn < 3; turn++) {
    clock.advance(10)
    await settled()
  }
  assert.deepEqual(seen, [5, 7])
  assert.equal(log.pendingBytes, 0)
})

test('os: a written record is durable by policy, and completed segments are flushed behind it', async () => {
  const disk = new SimDisk()
  const { log } = await openOne(disk, { flushPolicy: 'os', segmentBytes: 1000 })
  log.append(batchOf(), epoch0)
  await settled()
  assert.deepEqual([log.durableEndOffset, log.pendingBytes], [1, 0])
  assert.equal(disk.durable().exists(`${partition}/00000000000000000000.log`), true)
  assert.equal(disk.durable().sizeOf(`${partition}/00000000000000000000.log`), 0)
  for (let count = 0; count < 12; count++) log.append(batchOf(), epoch0)
  await settled(10)
  assert.ok(disk.durable().sizeOf(`${partition}/00000000000000000000.log`) > 900)
  await log.flush()
  assert.equal((await readAll((await openOne(disk.durable())).log)).length, 13)
})

test('under sync no more than the window is written ahead of its sync; the rest follows', async () => {
  const { log, manager } = await openOne(new SimDisk(), {}, { unflushedBytesMax: 1000 })
  for (let count = 0; count < 50; count++) log.append(batchOf({ fill: count }), epoch0)
  await log.flush()
  assert.equal(log.durableEndOffset, 50)
  assert.ok(manager.stats().writes >= 5)
  assert.equal((await readAll(log)).length, 50)
})

test('a segment is rolled by size, by the time in its records, and when an index is full', async () => {
  const rolls = async (config: Partial<LogConfig>, timestamps: readonly number[]): Promise<number> => {
    const { log } = await openOne(memoryDisk(), { segmentBytes: 1 << 20, ...config })
    for (const timestamp of timestamps) log.append(batchOf({ timestamp, valueBytes: 100 }), epoch0)
    await log.flush()
    return log.segmentCount
  }
  const same = Array.from({ length: 30 }, () => 5)
  const rising = same.map((_, at) => at * 1000)
  assert.equal(await rolls({}, same), 1)
  assert.equal(await rolls({ segmentBytes: 340 }, same), 15)
  assert.equal(await rolls({ segmentMs: 9_500 }, rising), 3)
  assert.equal(await rolls({ indexIntervalBytes: 0, segmentIndexBytes: 80 }, same), 3)
  assert.equal(await rolls({ indexIntervalBytes: 0, segmentIndexBytes: 80 }, rising), 5)
})

test('a batch with log-append time carries the broker time', async () => {
  const { log } = await openOne(memoryDisk(), { timestampType: 'log-append' })
  const result = log.append(batchOf({ timestamp: 5 }), epoch0)
  assert.equal(result.logAppendTimeMs, 1_700_000_000_000)
  await log.flush()
  const [batch] = await readAll(log)
  const header = readBatchHeader(batch!, 0)
  assert.deepEqual([header.maxTimestamp, header.attributes & 8], [1_700_000_000_000, 8])
  assert.equal((await log.offsetForTimestamp(1_600_000_000_000, 1))?.offset, 0)
})

test('files and their contents are laid out as in Kafka', async () => {
  const disk = memoryDisk()
  const { log, manager } = await openOne(disk, { segmentBytes: 1100, indexIntervalBytes: 250 })
  for (let at = 0; at < 20; at++) {
    const timestamp = 1000 + (at % 7) * 10
    log.append(batchOf({ records: 2, timestamp, valueBytes: 20 }), toLeaderEpoch(at < 12 ? 0 : 3))
  }
  await log.flush()
  await manager[Symbol.asyncDispose]()
  const names = disk.list(partition)
  assert.deepEqual(names.slice(0, 3), [
    '00000000000000000000.index',
    '00000000000000000000.log',
    '00000000000000000000.timeindex',
  ])
  assert.match(text(disk.readWhole(`${partition}/partition.metadata`)), /^version: 0\ntopic_id: A{22}\n/)
  assert.equal(text(disk.readWhole(`${partition}/leader-epoch-checkpoint`)), '0\n2\n0 0\n3 24\n')
  const first = `${partition}/00000000000000000000`
  const ends = new Map<number, { position: number; maxTimestamp: number }>()
  for await (const { position, header, fault } of inspectBatches(disk, `${first}.log`)) {
    assert.equal(fault, null)
    ends.set(header.baseOffset + header.lastOffsetDelta, { position, maxTimestamp: header.maxTimestamp })
  }
  const index = inspectIndex(disk, `${first}.index`)
  assert.ok(index.length >= 2)
  for (const entry of index)
    assert.equal(ends.get(entry.offset)?.position, entry.position, 'last offset of the batch there')
  const times = inspectTimeIndex(disk, `${first}.timeindex`)
  for (const { offset, timestamp } of times) assert.equal(ends.get(offset)?.maxTimestamp, timestamp)
  assert.equal(times.at(-1)?.timestamp, Math.max(...[...ends.values()].map(end => end.maxTimestamp)), 'added on roll')
  for await (const report of verifyDirectory(disk, 'data')) {
    assert.deepEqual(report.problems, [])
    assert.deepEqual([report.batches, report.records, report.logEndOffset], [20, 40, 40])
  }
})

test('verify reports damage as data and goes on', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, { segmentBytes: 1000, indexIntervalBytes: 100 })
  for (let at = 0; at < 30; at++) log.append(batchOf({ timestamp: at }), epoch0)
  await log.flush()
  await manager[Symbol.asyncDispose]()
  disk.flipBit(`${partition}/00000000000000000000.log`, 200, 1)
  disk.flipBit(`${partition}/00000000000000000009.index`, 6, 1)
  await disk.removeFile(`${partition}/00000000000000000018.timeindex`)
  disk.flipBit(`${partition}/partition.metadata`, 15, 1)
  const reports = []
  for await (const report of verifyDirectory(disk, 'data')) reports.push(report)
  const problems = reports.flatMap(report => report.problems).map(({ path, problem }) => `${path}: ${problem}`)
  for (const expected of [
    /0000\.log: the CRC/,
    /0009\.index: the entry/,
    /0018\.timeindex: missing/,
    /partition\.metadata/,
  ]) {
    assert.ok(
      problems.some(problem => expected.test(problem)),
      `${expected} in ${problems.join('; ')}`,
    )
  }
})

test('reads outside the log are OFFSET_OUT_OF_RANGE, at its end they are empty', async () => {
  const { log } = await openOne(memoryDisk())
  for (let at = 0; at < 10; at++) log.append(batchOf(), epoch0)
  await log.advanceLogStart(4)
  const at = (fromOffset: number) => log.read({ fromOffset, endOffset: 10, maxBytes: 1e6, minOneBatch: true })
  const isOutOfRange = (error: unknown): boolean => (error as ApiError).code === 'OFFSET_OUT_OF_RANGE'
  assert.throws(() => at(3), isOutOfRange)
  assert.throws(() => at(11), isOutOfRange)
  assert.deepEqual(await at(10), [])
  await assert.rejects(log.advanceLogStart(11), isOutOfRange)
})

test('the tail is served at once, and what was read stays as it is however far the ring moves on', async () => {
  const { log } = await openOne(memoryDisk(), {}, { tailCacheBytesMax: 1000 })
  log.append(batchOf(), epoch0)
  const views = log.read({ fromOffset: 0, endOffset: 1, maxBytes: 1e6, minOneBatch: true })
  assert.ok(Array.isArray(views), 'synchronous')
  const before = views.map(view => view.slice())
  for (let i = 0; i < 50; i++) log.append(batchOf(), epoch0)
  assert.deepEqual(views, before)
  const last = log.read({ fromOffset: 50, endOffset: 51, maxBytes: 1e6, minOneBatch: true })
  assert.ok(Array.isArray(last), 'the newest is still cached')
  assert.equal(readBatchHeader(last[0]!, 0).baseOffset, 50)
})

test('several batches in one append are cut at batch boundaries, cached or not', async () => {
  for (const tailCacheBytesMax of [0, 1 << 20]) {
    const { log } = await openOne(memoryDisk(), {}, { tailCacheBytesMax })
    const parts = [2, 3, 1].map(records => batchOf({ records }))
    log.append(new Uint8Array(Buffer.concat(parts)), epoch0)
    await log.flush()
    const read = async (fromOffset: number, endOffset: number, maxBytes: number) =>
      (await readBatchesOf(log.read({ fromOffset, endOffset, maxBytes, minOneBatch: true }))).join()
    assert.equal(await read(0, 6, 1e6), '0,2,5')
    assert.equal(await read(3, 6, 1e6), '2,5')
    assert.equal(await read(0, 5, 1e6), '0,2')
    assert.equal(await read(0, 4, 1e6), '0')
    assert.equal(await read(2, 6, 1), '2')
  }
})

async function readBatchesOf(found: Uint8Array[] | Promise<Uint8Array[]>): Promise<number[]> {
  const bytes = Buffer.concat(await found)
  const bases: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const header = readBatchHeader(bytes, at)
    bases.push(header.baseOffset)
    at += header.sizeBytes
  }
  return bases
}

test('retention by time follows the records, spares what has not expired, and rolls the active segment', async () => {
  const clock = new VirtualClock({ wallClockMs: 100 * dayMs })
  const { log } = await openOne(memoryDisk(), { segmentBytes: 340, retentionMs: 10 * dayMs }, { clock })
  for (let day = 80; day < 100; day++) log.append(batchOf({ timestamp: day * dayMs, valueBytes: 100 }), epoch0)
  await log.flush()
  const freed = await log.applyRetention(clock.wallClockMs(), log.logEndOffset)
  assert.deepEqual([log.logStartOffset, freed.segments], [10, 5])
  clock.advance(30 * dayMs)
  await log.applyRetention(clock.wallClockMs(), 15)
  assert.equal(log.logStartOffset, 14, 'not above the end offset given')
  await log.applyRetention(clock.wallClockMs(), log.logEndOffset)
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.segmentCount, log.sizeBytes], [20, 20, 1, 0])
  assert.equal(log.append(batchOf(), epoch0).baseOffset, 20)
})

test('a wall clock that jumps forward deletes nothing; one that stays there for a day is believed', async () => {
  const clock = new VirtualClock({ wallClockMs: 100 * dayMs })
  const { log } = await openOne(memoryDisk(), { retentionMs: dayMs }, { clock })
  log.append(batchOf({ timestamp: clock.wallClockMs() }), epoch0)
  await log.flush()
  clock.jumpWallClock(3 * dayMs)
  await log.applyRetention(clock.wallClockMs(), 1)
  clock.advance(dayMs / 2)
  await log.applyRetention(clock.wallClockMs(), 1)
  assert.equal(log.logStartOffset, 0)
  clock.advance(dayMs)
  await log.applyRetention(clock.wallClockMs(), 1)
  assert.equal(log.logStartOffset, 1)
})

test('deleting segments does not disturb a reader that is reading them', async () => {
  const { log } = await openOne(memoryDisk(), { segmentBytes: 300 }, { tailCacheBytesMax: 0, openFilesMax: 2 })
  const appended = Array.from({ length: 40 }, (_, fill) => batchOf({ fill }))
  for (const batch of appended) log.append(batch, epoch0)
  await log.flush()
  const reading = log.read({ fromOffset: 0, endOffset: 40, maxBytes: 1000, minOneBatch: true })
  const deleting = log.advanceLogStart(30)
  const outcome = await Promise.resolve(reading).catch(error => (error as ApiError).code)
  await deleting
  assert.ok(outcome === 'OFFSET_OUT_OF_RANGE' || readBatchHeader(outcome[0] as Uint8Array, 0).baseOffset === 0)
  assert.equal(log.failure, null)
})

test('epochs: ends of known and unknown epochs, before and after truncation', async () => {
  const { log } = await openOne(memoryDisk())
  const append = (count: number, epoch: number): void => {
    for (let at = 0; at < count; at++) log.append(batchOf(), toLeaderEpoch(epoch))
  }
  append(3, 1)
  append(4, 4)
  append(2, 5)
  const endOf = (epoch: number) => Object.values(log.endOffsetForEpoch(toLeaderEpoch(epoch)) ?? {})
  assert.deepEqual([endOf(0), endOf(1), endOf(2), endOf(4), endOf(9)], [[], [1, 3], [1, 3], [4, 7], [5, 9]])
  await log.truncateTo(5, 'test')
  assert.deepEqual([endOf(4), endOf(5), log.latestEpoch], [[4, 5], [4, 5], 4])
})

test('replicated batches keep their offsets and epochs; the epoch of every record is known', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, { segmentBytes: 300 })
  const batches = [2, 2, 3, 7].map((epoch, at) => {
    const batch = batchOf({ records: 2, fill: at })
    patchBatch(batch, 0, at * 2, epoch)
    return batch
  })
  log.appendReplicated(concatBytes(batches))
  await log.flush()
  assert.equal(log.segmentCount, 4, 'it rolled as under a leader')
  assert.deepEqual(await readAll(log), batches)
  const epochs = (of: PartitionLog) => Array.from({ length: 8 }, (_, offset) => of.epochAt(offset))
  assert.deepEqual(epochs(log), [2, 2, 2, 2, 3, 3, 7, 7])
  await manager[Symbol.asyncDispose]()
  const again = await openOne(disk.kill())
  assert.deepEqual(epochs(again.log), [2, 2, 2, 2, 3, 3, 7, 7])
  assert.throws(() => again.log.epochAt(8), AssertionError)
  assert.throws(() => again.log.appendReplicated(batches[0]!.slice()), AssertionError, 'they must continue the log')
})

test('a log begun anew takes records of an older epoch than it had', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk)
  log.append(batchOf(), toLeaderEpoch(9))
  await log.flush()
  await manager.checkpoint()
  await log.restartAt(50, 'test')
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.latestEpoch], [50, 50, null])
  const survivor = disk.durable()
  for (const open of [log, (await openOne(survivor)).log]) {
    const older = batchOf()
    patchBatch(older, 0, 50, 4)
    open.appendReplicated(older)
    await open.flush()
    assert.deepEqual([open.latestEpoch, (await readAll(open)).length], [4, 1])
  }
})

test('the batch in which the log starts is known, also when its first records were deleted', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk)
  for (let count = 0; count < 3; count++) log.append(batchOf({ records: 10 }), epoch0)
  assert.equal(log.startBatchOffset, 0)
  await log.advanceLogStart(14)
  assert.equal(log.startBatchOffset, 10)
  await manager[Symbol.asyncDispose]()
  const { log: again } = await openOne(disk.kill())
  assert.equal(again.startBatchOffset, 10)
  await again.advanceLogStart(20)
  assert.equal(again.startBatchOffset, 20)
  await again.advanceLogStart(30)
  assert.equal(again.startBatchOffset, 30, 'an empty log starts nowhere else')
  await again.restartAt(25, 'test')
  const batch = batchOf({ records: 10 })
  patchBatch(batch, 0, 25, 0)
  again.appendReplicated(batch)
  await again.advanceLogStart(30)
  assert.equal(again.startBatchOffset, 25)
})

test('a log emptied by retention takes replicated records of an older epoch', async () => {
  const { log } = await openOne(memoryDisk(), { retentionMs: 0 })
  log.append(batchOf(), toLeaderEpoch(9))
  await log.flush()
  await log.applyRetention(1_700_000_000_000, 1)
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [1, 1])
  const older = batchOf()
  patchBatch(older, 0, 1, 4)
  log.appendReplicated(older)
  assert.equal(log.epochAt(1), 4)
})

test('high watermarks outlive a kill, not their topic', async () => {
  const disk = new SimDisk()
  const { manager } = await openOne(disk)
  manager.highWatermarks.set(id, 42)
  await manager.highWatermarks.save()
  const second = await openManager(disk.durable())
  assert.equal(second.highWatermarks.get(id), 42)
  assert.equal(second.highWatermarks.get({ ...id, topicId: 'BBBBBBBBBBBBBBBBBBBBBB' }), 0)
  await second.openLog(id, logConfig)
  await second.removeLog(id)
  assert.equal(second.highWatermarks.get(id), 0)
})

test('what is lowered is so on the disk, also after what was being written meanwhile', async () => {
  const disk = new SimDisk()
  const { manager } = await openOne(disk)
  const { highWatermarks } = manager
  highWatermarks.set(id, 42)
  const earlier = highWatermarks.save()
  await highWatermarks.lower(id, 7)
  await earlier
  const operations = disk.operationCount
  await highWatermarks.lower(id, 9)
  assert.equal(disk.operationCount, operations, 'nothing to be done')
  assert.equal((await openManager(disk.durable())).highWatermarks.get(id), 7)
})

test('a log that is removed is gone for good, and a topic of the same name starts anew', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk)
  log.append(batchOf(), epoch0)
  await log.flush()
  await manager.checkpoint()
  await manager.removeLog(id)
  assert.deepEqual(
    disk
      .durable()
      .list('data')
      .filter(name => name.startsWith('orders-0') && !name.endsWith('-delete')),
    [],
  )
  const anew = { ...id, topicId: 'BBBBBBBBBBBBBBBBBBBBBB' }
  const next = await manager.openLog(anew, logConfig)
  assert.deepEqual([next.failure, next.logEndOffset], [null, 0])
  await manager[Symbol.asyncDispose]()
  const again = await openManager(disk.kill())
  assert.deepEqual(again.found(), [anew])
  await assert.rejects(again.openLog(id, logConfig), error => (error as ApiError).code === 'UNKNOWN_TOPIC_ID')
})

test('a clean stop is noticed, an unclean one too', async () => {
  const disk = new SimDisk()
  const first = await openOne(disk)
  first.log.append(batchOf(), epoch0)
  await first.manager[Symbol.asyncDispose]()
  const second = await openOne(disk.kill())
  assert.deepEqual([second.manager.wasClean, second.log.recovery.wasClean], [true, true])
  assert.equal(second.log.recovery.segmentsScanned, 0)
  const third = await openOne(disk.durable())
  assert.deepEqual([third.manager.wasClean, third.log.recovery.wasClean], [false, false], 'the second never stopped')
})

test('an unclean start scans from the recovery point only', async () => {
  const disk = new SimDisk()
  const { log, manager } = await openOne(disk, { segmentBytes: 1000 })
  for (let at = 0; at < 40; at++) log.append(batchOf(), epoch0)
  await log.flush()
  await manager.checkpoint()
  const again = await openOne(disk.kill(), { segmentBytes: 1000 })
  assert.equal(again.log.recovery.wasClean, false)
  assert.equal(again.log.recovery.segmentsScanned, 1)
  assert.equal((await readAll(again.log)).length, 40)
})

test('many logs share few open files, fairly', async () => {
  const disk = new SimDisk()
  const manager = await openManager(disk, { openFilesMax: 10, syncsInFlightMax: 3 })
  const logs = await Promise.all(
    Array.from({ length: 60 }, (_, partition) => manager.openLog({ ...id, partition }, logConfig)),
  )
  for (let round = 0; round < 3; round++) {
    for (const log of logs) log.append(batchOf({ fill: log.id.partition }), epoch0)
    await Promise.all(logs.map(log => log.flush()))
  }
  for (const log of logs) assert.equal((await readAll(log)).length, 3)
  assert.ok(manager.stats().openFiles <= 10, `${manager.stats().openFiles} open`)
  await manager[Symbol.asyncDispose]()
  assert.equal((await openManager(disk.kill())).found().length, 60)
})
