/** The small parts of the log by themselves. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { checkedLines, parentDirectory, withCrc } from '../../src/log/atomic-file.ts'
import { hasEmptySector } from '../../src/log/damage.ts'
import { EpochHistory, formatEpochs, parseEpochs } from '../../src/log/epoch-history.ts'
import { FilePool } from '../../src/log/file-pool.ts'
import { deletedDirectoryName, parsePartitionDirectory, segmentBaseOffset, segmentName } from '../../src/log/paths.ts'
import { RetentionClock } from '../../src/log/retention-clock.ts'
import { SparseIndex } from '../../src/log/sparse-index.ts'
import { SyncScheduler } from '../../src/log/sync-scheduler.ts'
import { LogTail, TailCache } from '../../src/log/tail-cache.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { patchBatch } from '../../src/protocol/batch/header.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { toLeaderEpoch } from '../../src/util/numbers.ts'
import { batchOf } from './support.ts'

test('names', () => {
  assert.equal(segmentName(42), '00000000000000000042')
  assert.equal(segmentBaseOffset('00000000000000000042.log', '.log'), 42)
  assert.equal(segmentBaseOffset('00000000000000000042.log', '.index'), null)
  assert.equal(segmentBaseOffset('99999999999999999999.log', '.log'), null)
  assert.deepEqual(parsePartitionDirectory('a-b-12'), { topic: 'a-b', partition: 12 })
  for (const name of ['a', 'a-', '-1', 'a-01', 'a-1-delete', 'a b-1']) assert.equal(parsePartitionDirectory(name), null)
  const long = deletedDirectoryName('t'.repeat(249), 3, 'AAAAAAAAAAAAAAAAAAAAAA.0')
  assert.equal(long.length, 255)
  assert.ok(long.endsWith('-3.AAAAAAAAAAAAAAAAAAAAAA.0-delete'))
  assert.deepEqual(['a/b/c', 'a', '/a'].map(parentDirectory), ['a/b', '.', '/'])
})

test('a checked text is refused when any byte of it changes', () => {
  const bytes = new TextEncoder().encode(withCrc('one\ntwo\n'))
  assert.deepEqual(checkedLines(bytes), ['one', 'two'])
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice()
    changed[at]! ^= 1
    assert.equal(checkedLines(changed), null, `byte ${at}`)
    assert.equal(checkedLines(bytes.subarray(0, at)), null, `cut at ${at}`)
  }
})

test('epoch history: assign, truncate at both ends, text form', () => {
  const history = new EpochHistory()
  for (const [epoch, offset] of [
    [0, 0],
    [0, 5],
    [2, 10],
    [3, 20],
  ] as const)
    history.assign(toLeaderEpoch(epoch), offset)
  const pairs = (): string => history.entries.map(entry => `${entry.epoch}@${entry.startOffset}`).join(' ')
  assert.equal(pairs(), '0@0 2@10 3@20')
  assert.throws(() => history.assign(toLeaderEpoch(2), 30), /leader epochs rise/)
  history.truncateFromEnd(20)
  assert.equal(pairs(), '0@0 2@10')
  history.truncateFromStart(4)
  assert.equal(pairs(), '0@4 2@10')
  history.truncateFromStart(15)
  assert.equal(pairs(), '2@15')
  assert.equal(formatEpochs(history.entries), '0\n1\n2 15\n')
  assert.deepEqual(parseEpochs('0\n2\n2 15\n7 20\n')?.length, 2)
  for (const bad of [
    '',
    '0\n2\n2 15\n',
    '1\n0\n',
    '0\n1\n2 15',
    '0\n1\nx 15\n',
    '0\n2\n2 15\n2 20\n',
    '0\n2\n2 15\n3 15\n',
  ]) {
    assert.equal(parseEpochs(bad), null, JSON.stringify(bad))
  }
})

test('sparse index: floor and truncation over file and memory agree with a list', () => {
  const disk = memoryDisk()
  const files = new FilePool(disk, 4)
  for (const kind of ['offset', 'time'] as const) {
    const index = new SparseIndex(files, `${kind}.x`, kind, 0)
    const keys: number[] = []
    for (let at = 0; at < 700; at++) {
      const key = at * 3 + (kind === 'time' ? 1_700_000_000_000 : 0)
      index.append(key, at * 10)
      keys.push(key)
      if (at % 130 === 129) index.spill()
    }
    const check = (): void => {
      for (const probe of [-1, 0, 1, 2, 388, 389, 390, 1000, 2095, 2097, 9999]) {
        const key = probe + (kind === 'time' ? 1_700_000_000_000 : 0)
        assert.equal(index.floor(key), keys.filter(each => each <= key).length - 1, `${kind} ${probe}`)
      }
    }
    check()
    assert.equal(index.countBelow(1234), 124)
    index.truncate(660)
    keys.length = 660
    check()
    index.truncate(100)
    keys.length = 100
    check()
    index.spill()
    assert.equal(index.soundPrefix(500), 50)
    assert.equal(disk.sizeOf(`${kind}.x`), 100 * index.entryBytes)
  }
})

test('tail cache: bounded over all logs, oldest first, contiguous to the end', () => {
  const cache = new TailCache(1000)
  const [a, b] = [new LogTail(), new LogTail()]
  const add = (tail: LogTail, base: number): void => {
    const batch = batchOf({ valueBytes: 20 })
    patchBatch(batch, 0, base, 0)
    cache.add(tail, base, base + 1, batch)
  }
  const has = (tail: LogTail, offset: number): boolean => cache.read(tail, offset, 100, 1e6, true) !== null
  for (let base = 0; base < 6; base++) {
    add(a, base)
    add(b, base)
  }
  assert.ok(cache.bytes <= 1000)
  assert.deepEqual([has(a, 0), has(b, 0), has(a, 5), has(b, 5)], [false, true, true, true])
  cache.truncate(a, 5)
  assert.equal(has(a, 5), false)
  add(a, 5)
  assert.equal(has(a, 4), true)
  add(a, 9)
  assert.deepEqual([has(a, 4), has(a, 9)], [false, true], 'after a gap only what follows it')
})

test('file pool: closes the least recently used, never a pinned one, and a forgotten one when it is released', () => {
  const opened: string[] = []
  const closed: string[] = []
  const memory = memoryDisk()
  const disk = {
    ...Object.fromEntries(['exists', 'list'].map(name => [name, () => []])),
    open: (path: string) => {
      opened.push(path)
      return { ...memory.open(path, { create: true }), path, close: () => closed.push(path) }
    },
  }
  const pool = new FilePool(disk as never, 2)
  pool.use('a')
  const pinned = pool.pin('b')
  pool.use('a')
  pool.use('c')
  assert.deepEqual(closed, ['a'], 'b was used longer ago, but it is pinned')
  pool.forget('b')
  assert.deepEqual(closed, ['a'])
  pinned.release()
  assert.deepEqual(closed, ['a', 'b'])
  pool.use('c')
  assert.deepEqual(opened, ['a', 'b', 'c'])
})

test('sync scheduler: bounded, in order of asking, also after a failure', async () => {
  const scheduler = new SyncScheduler(new VirtualClock(), 2)
  const started: number[] = []
  const finish: Array<(error?: Error) => void> = []
  const runs = [0, 1, 2, 3].map(at =>
    scheduler.run(() => {
      started.push(at)
      return new Promise((resolve, reject) => finish.push(error => (error ? reject(error) : resolve())))
    }),
  )
  await Promise.resolve()
  assert.deepEqual(started, [0, 1])
  finish[1]!(new Error('EIO'))
  await assert.rejects(runs[1]!)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(started, [0, 1, 2])
  finish[0]!()
  await new Promise(resolve => setImmediate(resolve))
  for (const end of finish.slice(2)) end()
  await Promise.all([runs[0], runs[2], runs[3]])
  assert.deepEqual([started, scheduler.count], [[0, 1, 2, 3], 3])
})

test('retention clock: slewing is followed, a jump ahead is held, a jump back is followed', () => {
  const clock = new RetentionClock(1_000_000, 0)
  assert.equal(clock.believe(1_010_500, 10_000), 1_010_500)
  assert.equal(clock.believe(9_000_000_000, 20_000), 1_020_500)
  assert.equal(clock.believe(1_030_000, 30_000), 1_030_000)
  assert.equal(clock.believe(500_000, 40_000), 500_000)
})

test('an empty sector is one that holds nothing but zeros between the bounds', () => {
  const span = new Uint8Array(1500).fill(1)
  assert.equal(hasEmptySector(span, 100), false)
  span.fill(0, 412, 924)
  assert.equal(hasEmptySector(span, 100), true)
  span[700] = 1
  assert.equal(hasEmptySector(span, 100), false)
  assert.equal(hasEmptySector(new Uint8Array([1, 2, 0, 0]), 510), true, 'the part in the next sector is empty')
})
