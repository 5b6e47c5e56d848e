/** Long work a piece at a time: snapshots and restores of many steps, with everything else going on in between. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slices } from '../../src/quorum/slices.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { bytes, type Node, openLeader } from './harness.ts'
import { Process } from './process.ts'
import { idOf, Trio } from './trio.ts'

/** Each step of a snapshot or a restore takes a turn of its own, and each turn a millisecond. */
const timing = { sliceMs: 0 }

function slices(steps: Iterable<number>, clock: VirtualClock) {
  const seen: unknown[] = []
  const listener = {
    onStep: (value: number) => void seen.push(value),
    onEnd: () => void seen.push('end'),
    onError: (error: Error) => void seen.push(error.message),
  }
  return { seen, slices: new Slices(steps, clock, 0, listener) }
}

test('steps run a slice a turn, and the end is told once', () => {
  const clock = new VirtualClock()
  const { seen } = slices([1, 2, 3], clock)
  assert.deepEqual(seen, [1])
  clock.step()
  assert.deepEqual(seen, [1, 2])
  clock.runDue()
  assert.deepEqual(seen, [1, 2, 3, 'end'])
})

test('what throws ends it, and what is cancelled is silent and cleaned up', () => {
  const clock = new VirtualClock()
  function* failing(): Generator<number> {
    yield 1
    throw new Error('broken')
  }
  const broken = slices(failing(), clock)
  clock.runDue()
  assert.deepEqual(broken.seen, [1, 'broken'])
  let isCleaned = false
  function* endless(): Generator<number> {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      isCleaned = true
    }
  }
  const cancelled = slices(endless(), clock)
  clock.step()
  cancelled.slices.cancel()
  clock.runDue()
  assert.deepEqual(cancelled.seen, [0, 1])
  assert.equal(isCleaned, true)
})

const entriesOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => bytes(`v${i}`))

async function propose(trio: Trio, leader: Node, count: number): Promise<void> {
  await trio.finish(leader.quorum.propose(entriesOf(count), 5000))
}

test('a snapshot holds the state of its index, however much is applied while it is taken', async () => {
  const trio = new Trio(1)
  const clock = new Process(trio.clock, 1) as never
  const options = { clock, timing, snapshots: { entriesMax: 50, retainedEntries: 0 } }
  const node = await trio.open(1, options)
  await trio.until(() => node.leadership.length > 0)
  await propose(trio, node, 60)
  assert.equal(node.storage.snapshots, 0, 'it is being taken')
  const index = node.quorum.status().appliedIndex
  await propose(trio, node, 20)
  assert.equal(node.storage.snapshots, 0, 'proposals did not wait for it')
  await trio.until(() => node.storage.snapshots === 1)
  await trio.until(() => node.quorum.status().snapshotIndex > 0)
  assert.equal(node.quorum.status().snapshotIndex, index)
  const { texts } = node.machine
  await trio.crash(1)
  const next = await openLeader(trio.images.get(toNodeId(1))!)
  assert.deepEqual(next.machine.texts, texts)
  await next.quorum[Symbol.asyncDispose]()
  await trio.close()
})

/** A trio whose third member is about to restore a snapshot of 200 steps, in as many milliseconds. */
async function restoring(prepare: (late: Node) => void = () => {}): Promise<{ trio: Trio; leader: Node; late: Node }> {
  const trio = new Trio()
  const snapshots = { entriesMax: 100, retainedEntries: 0 }
  for (const id of trio.ids) {
    await trio.open(id, { clock: new Process(trio.clock, 1) as never, timing, snapshots })
  }
  const leader = await trio.elect()
  const late = [...trio.nodes.values()].find(node => node !== leader)!
  trio.cut.add(idOf(late))
  await propose(trio, leader, 200)
  await trio.until(() => leader.quorum.status().snapshotIndex > 0)
  prepare(late)
  trio.cut.clear()
  await trio.until(() => late.quorum.status().snapshotIndex > 0)
  return { trio, leader, late }
}

test('a member that restores a large snapshot answers its leader meanwhile, and applies nothing before it is done', async () => {
  const { trio, leader, late } = await restoring()
  assert.deepEqual(late.machine.texts, [])
  const { term } = leader.quorum.status()
  trio.sent.length = 0
  await propose(trio, leader, 10)
  await trio.until(() => leader.machine.texts.length === 210)
  assert.equal(late.machine.restores, 0, 'it is still at it')
  assert.equal(late.quorum.status().appliedIndex < leader.quorum.status().appliedIndex, true)
  assert.ok(trio.sent.some(({ kind, from }) => kind === 'appendEntriesReply' && from === idOf(late)))
  await trio.until(() => late.machine.texts.length === 210)
  assert.deepEqual(late.machine.texts, leader.machine.texts)
  assert.equal(leader.quorum.status().term, term, 'nobody campaigned')
  await trio.close()
})

test('a snapshot that is due when a restore ends is not taken while the next one is on its way to disk', async () => {
  let isAllowedToEnd = false
  const { trio, leader, late } = await restoring(({ machine }) => {
    const restore = machine.restore.bind(machine)
    machine.restore = function* (snapshot): Generator<void, undefined> {
      while (!isAllowedToEnd) yield
      for (const _ of restore(snapshot)) yield
    }
  })
  // Enough for a snapshot of its own waits for the end of the restore.
  await propose(trio, leader, 150)
  await trio.until(() => late.quorum.status().commitIndex === leader.quorum.status().commitIndex)
  trio.cut.add(idOf(late))
  await trio.until(() => leader.quorum.status().snapshotIndex === late.quorum.status().commitIndex)
  await propose(trio, leader, 150)
  await trio.until(() => leader.quorum.status().snapshotIndex > late.quorum.status().commitIndex)
  // The next one from the leader comes, and replaces the log that would describe it.
  late.storage.isGated = true
  trio.cut.clear()
  await trio.until(() => late.storage.waiting > 0)
  isAllowedToEnd = true
  await trio.until(() => late.machine.texts.length === 350)
  assert.deepEqual([late.machine.restores, late.storage.snapshots, late.storage.waiting], [1, 0, 1])
  late.storage.isGated = false
  await late.storage.finish()
  await trio.until(() => late.machine.texts.length === 500)
  assert.deepEqual(late.machine.texts, leader.machine.texts)
  assert.deepEqual(late.fatal, [])
  await trio.close()
})

test('leadership is announced, and reads are answered, only behind the restore', async () => {
  const { trio, leader, late } = await restoring()
  await trio.finish(leader.quorum.transfer(idOf(late), 5000))
  await trio.until(() => late.quorum.status().role === 'leader')
  assert.equal(late.machine.restores, 0)
  assert.equal(late.leadership.at(-1) ?? null, null, 'not ready before its state is')
  const read = late.quorum.readBarrier(5000).then(() => late.machine.texts.length)
  assert.equal(await trio.finish(read), 200)
  await trio.until(() => late.leadership.at(-1) != null)
  assert.equal(late.machine.restores, 1)
  await trio.close()
})

test('a member that dies while it restores does it again at its next start', async () => {
  const { trio, leader, late } = await restoring()
  const id = idOf(late)
  await trio.crash(id)
  assert.deepEqual(late.machine.texts, [])
  const again = await trio.open(id)
  await trio.until(() => again.machine.texts.length === 200)
  assert.deepEqual(again.machine.texts, leader.machine.texts)
  await trio.close()
})

test('a state machine that cannot read a snapshot stops the member', async () => {
  const { trio, late } = await restoring(node => {
    node.machine.restore = function* () {
      yield
      throw new Error('cannot be read')
    }
  })
  await trio.until(() => late.fatal.length > 0)
  assert.equal(late.fatal[0]!.message, 'cannot be read')
  assert.deepEqual(late.machine.texts, [])
  await trio.close()
})

test('a state machine that cannot write one stops it, too', async () => {
  const node = await openLeader(new MemoryStorageImage(), { timing, snapshots: { entriesMax: 3 } })
  node.machine.snapshot = function* () {
    yield bytes('half')
    throw new Error('cannot be written')
  }
  await Promise.allSettled([node.quorum.propose([bytes('a')], 1000), node.run()])
  assert.equal(node.fatal[0]?.message, 'cannot be written')
})
