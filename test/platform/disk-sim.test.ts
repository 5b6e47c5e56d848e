/** The simulated disk loses exactly what the contract of `Disk` lets it lose. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { CrashSignal, SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { seededRandom } from '../../src/util/random.ts'

const sectors = (count: number, value: number): Uint8Array => new Uint8Array(count * 512).fill(value)
const fates = Array.from({ length: 200 }, (_, seed) => seed)

test('synced bytes under a synced name survive every crash', async () => {
  for (const fate of fates) {
    const disk = new SimDisk()
    const file = disk.open('f', { create: true })
    file.write([sectors(2, 1)], 0)
    await file.sync()
    await disk.syncDirectory('.')
    file.write([sectors(2, 2)], 1024)
    const survivor = disk.crash(seededRandom(fate))
    assert.deepEqual(survivor.readWhole('f').slice(0, 1024), sectors(2, 1))
  }
})

test('unsynced sectors survive in any mixture, and lost ones read as zero', async () => {
  const seen = new Set<string>()
  for (const fate of fates) {
    const disk = new SimDisk()
    const file = disk.open('f', { create: true })
    await disk.syncDirectory('.')
    file.write([sectors(3, 9)], 0)
    const found = disk.crash(seededRandom(fate)).readWhole('f')
    seen.add([0, 512, 1024].map(at => found[at] ?? '-').join(''))
  }
  for (const outcome of ['---', '999', '909', '099', '990']) assert.ok(seen.has(outcome), `never ${outcome}`)
})

test('an unsynced name may be lost, a rename happens whole or not at all', async () => {
  const seen = new Set<string>()
  for (const fate of fates) {
    const disk = new SimDisk()
    disk.open('a', { create: true })
    await disk.syncDirectory('.')
    disk.rename('a', 'b')
    disk.open('c', { create: true })
    seen.add(disk.crash(seededRandom(fate)).list('').join(''))
  }
  assert.deepEqual([...seen].sort(), ['a', 'ac', 'b', 'bc'])
})

test('a sync covers what was written before it began, and takes virtual time', async () => {
  const clock = new VirtualClock()
  const disk = new SimDisk({ clock, syncDelayMs: 10 })
  const file = disk.open('f', { create: true })
  const named = disk.syncDirectory('.')
  file.write([sectors(1, 1)], 0)
  let isDone = false
  const synced = file.sync().then(() => {
    isDone = true
  })
  file.write([sectors(1, 2)], 512)
  clock.advance(9)
  await Promise.resolve()
  assert.equal(isDone, false)
  clock.advance(1)
  await Promise.all([named, synced])
  assert.equal(disk.durable().sizeOf('f'), 512)
})

test('a sync that began earlier and ends later takes nothing back, of a file or a directory', async () => {
  const clock = new VirtualClock()
  const delaysMs = [1, 20, 20, 5, 5]
  const disk = new SimDisk({ clock, syncDelayMs: () => delaysMs.shift()! })
  const file = disk.open('f', { create: true })
  const first = disk.syncDirectory('.')
  clock.advance(1)
  await first
  const early = [file.sync(), disk.syncDirectory('.')]
  file.write([sectors(1, 1)], 0)
  disk.open('g', { create: true })
  const late = [file.sync(), disk.syncDirectory('.')]
  clock.advance(5)
  await Promise.all(late)
  clock.advance(20)
  await Promise.all(early)
  const durable = disk.durable()
  assert.deepEqual([durable.list(''), durable.sizeOf('f')], [['f', 'g'], 512])
})

test('a crash at the n-th operation carries it out, or not, and nothing after it', () => {
  const disk = new SimDisk()
  disk.crashAtOperation = 3
  const file = disk.open('f', { create: true })
  file.write([sectors(1, 1)], 0)
  assert.throws(() => file.write([sectors(1, 2)], 512), CrashSignal)
  assert.throws(() => file.sizeBytes() && disk.list(''), CrashSignal)
  assert.equal(disk.kill().sizeOf('f'), 1024)
})

test('chosen operations fail, a failed write may have written a part', async () => {
  const disk = new SimDisk({ capacityBytes: 600 })
  const file = disk.open('f', { create: true })
  assert.throws(() => file.write([sectors(2, 1)], 0), /ENOSPC/)
  assert.ok(file.sizeBytes() > 0 && file.sizeBytes() <= 600)
  disk.intercept = ({ kind }) => (kind === 'sync' ? 'EIO' : null)
  await assert.rejects(file.sync(), /EIO/)
})

test('a flipped bit is seen and survives', async () => {
  const disk = new SimDisk()
  const file = disk.open('f', { create: true })
  file.write([sectors(1, 0)], 0)
  await file.sync()
  await disk.syncDirectory('.')
  disk.flipBit('f', 7, 3)
  assert.equal(disk.readWhole('f')[7], 8)
  assert.equal(disk.crash(seededRandom(1)).readWhole('f')[7], 8)
})

test('virtual time runs events in order of time, then of asking', () => {
  const clock = new VirtualClock({ wallClockMs: 5000 })
  const order: string[] = []
  clock.setTimer(10, () => order.push('b'))
  clock.setTimer(5, () => {
    order.push('a')
    clock.defer(() => order.push('a2'))
  })
  clock.setTimer(10, () => order.push('c'))
  clock.setTimer(7, () => order.push('never')).cancel()
  clock.advance(10)
  assert.deepEqual(order, ['a', 'a2', 'b', 'c'])
  assert.equal(clock.wallClockMs(), 5010)
  clock.jumpWallClock(1000)
  assert.deepEqual([clock.nowMs(), clock.wallClockMs(), clock.nextEventMs()], [10, 6010, null])
})
