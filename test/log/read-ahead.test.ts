/** A reader that goes on finds its next part read already; nobody gets anything that is not so any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchesEndOffset } from '../../src/log/batch-fields.ts'
import type { Disk } from '../../src/log/disk.ts'
import type { PartitionLog } from '../../src/log/types.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { readBatchHeader } from '../../src/protocol/batch/header.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { batchOf, epoch0, openOne, settled } from './support.ts'

const batchCount = 12
const batchBytes = batchOf({ valueBytes: 100 }).length
/** Two batches a read. */
const maxBytes = 2 * batchBytes + 10
const uncached = { tailCacheBytesMax: 0 }

/** A memory disk that counts the reads of log files that go through the pool. */
function countingDisk(): { disk: Disk; reads: { count: number } } {
  const reads = { count: 0 }
  const disk = memoryDisk()
  const open: Disk['open'] = (path, options) => {
    const file = disk.open(path, options)
    const read = file.read.bind(file)
    file.read = (position, length) => {
      reads.count++
      return read(position, length)
    }
    return file
  }
  return { disk: { ...methodsOf(disk), open }, reads }
}

function methodsOf(disk: Disk): Disk {
  return new Proxy(disk, {
    get: (target, name) => (target[name as keyof Disk] as (...given: unknown[]) => unknown).bind(target),
    ownKeys: () => Object.getOwnPropertyNames(Object.getPrototypeOf(disk)).filter(name => name !== 'constructor'),
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  })
}

async function filled(log: PartitionLog): Promise<void> {
  for (let at = 0; at < batchCount; at++) log.append(batchOf({ valueBytes: 100, fill: at }), epoch0)
  await log.flush()
}

/** One record a batch. Returns the offsets found, after which the reader has time. */
async function readOn(log: PartitionLog, fromOffset: number, endOffset = batchCount, limit = maxBytes) {
  const bytes = joinBytes(await log.read({ fromOffset, endOffset, maxBytes: limit, minOneBatch: true }))
  const next = batchesEndOffset(bytes, fromOffset)
  log.readAhead(next, maxBytes)
  await settled()
  return Array.from({ length: next - fromOffset }, (_, at) => readBatchHeader(bytes, at * batchBytes).baseOffset)
}

test('whoever has gone on once has the next part read in advance, one read for each', async () => {
  const { disk, reads } = countingDisk()
  const { log } = await openOne(disk, {}, uncached)
  await filled(log)
  reads.count = 0
  assert.deepEqual(await readOn(log, 0), [0, 1])
  assert.equal(reads.count, 1, 'one read does not make a reader that goes on')
  assert.deepEqual(await readOn(log, 2), [2, 3])
  assert.equal(reads.count, 3, 'its own and the next one')
  assert.deepEqual(await readOn(log, 4), [4, 5])
  assert.equal(reads.count, 4)
  assert.deepEqual(await readOn(log, 6), [6, 7])
  assert.equal(reads.count, 5)
  // Another one, who has not gone on anywhere.
  assert.deepEqual(await readOn(log, 1), [1, 2])
  assert.equal(reads.count, 6)
  assert.deepEqual(await readOn(log, 8), [8, 9])
  assert.deepEqual(await readOn(log, 10), [10, 11])
  assert.equal(reads.count, 7, 'at the end there is nothing to read ahead')
})

test('what is asked for in smaller parts, or may not be had yet, is kept and not read again', async () => {
  const { disk, reads } = countingDisk()
  const { log } = await openOne(disk, {}, uncached)
  await filled(log)
  for (const from of [0, 2]) await readOn(log, from)
  reads.count = 0
  assert.deepEqual(await readOn(log, 4, 4), [], 'above what is committed')
  assert.deepEqual(await readOn(log, 4, 5), [4])
  assert.deepEqual(await readOn(log, 5, batchCount, batchBytes), [5])
  assert.equal(reads.count, 1, 'the next part')
})

test('after a truncation nothing that was read ahead is handed out', async () => {
  const { log } = await openOne(memoryDisk(), {}, uncached)
  await filled(log)
  for (const from of [0, 2]) await readOn(log, from)
  await log.truncateTo(4, 'test')
  log.append(batchOf({ valueBytes: 100, fill: 99 }), epoch0)
  await log.flush()
  const found = joinBytes(await log.read({ fromOffset: 4, endOffset: 5, maxBytes, minOneBatch: true }))
  const expected = batchOf({ valueBytes: 100, fill: 99 })
  assert.deepEqual(found.subarray(21), expected.subarray(21))
})

test('damage in what is read ahead is found when it is asked for, and takes the log offline', async () => {
  const disk = memoryDisk()
  const { log } = await openOne(disk, { segmentBytes: 1 << 20 }, uncached)
  await filled(log)
  await readOn(log, 0)
  const file = disk.open('data/orders-0/00000000000000000000.log', { create: false })
  file.write([Uint8Array.of(0xee)], 5 * batchBytes - 3)
  assert.deepEqual(await readOn(log, 2), [2, 3])
  assert.equal(log.failure, null)
  await assert.rejects(readOn(log, 4), error => error instanceof ApiError && error.code === 'KAFKA_STORAGE_ERROR')
  assert.notEqual(log.failure, null)
})

test('no more is read ahead than may be, and what nobody asks for is let go of', async () => {
  const { disk, reads } = countingDisk()
  const clock = new VirtualClock()
  const opening = openOne(disk, {}, { ...uncached, clock, readAheadBytesMax: 2 * maxBytes - 1 })
  const running = drive(clock)
  const { log } = await opening
  await filled(log)
  for (const from of [0, 2]) await readOn(log, from)
  // A second reader: there is room for one of them.
  for (const from of [5, 7]) await readOn(log, from)
  reads.count = 0
  await readOn(log, 9)
  assert.equal(reads.count, 1, 'it was not read ahead')
  clock.advance(1_000)
  reads.count = 0
  await readOn(log, 4)
  assert.equal(reads.count, 2, 'it was let go of, and there is room for the next')
  running.stop()
})

/** What is due now happens, without time passing. */
function drive(clock: VirtualClock): { stop(): void } {
  let isOver = false
  const turn = (): void => {
    if (isOver) return
    clock.runDue()
    setImmediate(turn)
  }
  turn()
  return {
    stop: () => {
      isOver = true
    },
  }
}
