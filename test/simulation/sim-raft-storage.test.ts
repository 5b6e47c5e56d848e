/**
 * The simulated Raft disk under the production storage: it keeps the contract, it does what it is told to, and whatever
 * is done to it but damage, everything that was acknowledged is there afterwards and no write is there in part.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadedState, RaftStorage } from '../../src/raft/storage.ts'
import { SimRaftDisk } from '../../src/simulation/sim-raft-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { StorageError } from '../../src/util/errors.ts'
import { type Logger, silentLogger } from '../../src/util/logger.ts'
import { toLogIndex } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import {
  batchOf,
  emptyState,
  entriesOf,
  hardStateOf,
  raftStorageContract,
  snapshotOf,
} from '../contract/raft-storage.ts'
import { seedRange } from '../support/depth.ts'

raftStorageContract('simulated disk', true, async () => {
  const random = seededRandom(1)
  const after = (_delayMs: number, run: () => void): void => void setImmediate(run)
  const pieces = { chunkBytes: 100_000, removals: 3 }
  const disk = new SimRaftDisk({ nodeId: 1, random, after, writeDelayMs: () => 1, pieces })
  const clock = { setTimer: () => ({ cancel() {} }) }
  return {
    open: () => disk.open({ deadlineMs: 1000, clock, logger: silentLogger }),
    damage: async (kind, key) => assert.ok(disk.damage(kind, random, key)),
    dispose: async () => {},
  }
})

/** A disk on virtual time. */
class Bench {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly disk: SimRaftDisk

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.disk = new SimRaftDisk({
      nodeId: 1,
      random: this.random,
      after: (delayMs, run) => this.clock.setTimer(delayMs, run),
      writeDelayMs: () => 1 + this.random.nextInt(10),
      pieces: { chunkBytes: 50, removals: 4 },
    })
  }

  open(logger: Logger = silentLogger): Promise<RaftStorage> {
    return this.disk.open({ deadlineMs: 500, clock: this.clock, logger })
  }

  /** Virtual time goes on, with every promise that follows, until `promise` is settled. */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    let isSettled = false
    const settled = (): void => {
      isSettled = true
    }
    promise.then(settled, settled)
    while (!isSettled) {
      await new Promise(resolve => setImmediate(resolve))
      if (!isSettled) this.clock.step()
    }
    return promise
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.clock.nowMs() + ms
    for (let at = this.clock.nextEventMs(); at !== null && at <= endMs; at = this.clock.nextEventMs()) {
      this.clock.step()
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

for (const fault of ['EIO', 'ENOSPC', 'hang'] as const) {
  test(`${fault}: the write and all after it are rejected, and it may be there or not`, async () => {
    const outcomes = new Set<number>()
    for (let seed = 1; seed <= 20; seed++) {
      const bench = new Bench(seed)
      const storage = await bench.open()
      await storage.load()
      await bench.until(storage.persist(batchOf({ entries: entriesOf(1, 3, 1) })))
      bench.disk.failNext(fault)
      const late = fault === 'hang' ? /no answer within 500 ms/ : new RegExp(fault)
      await assert.rejects(bench.until(storage.persist(batchOf({ entries: entriesOf(3, 5, 1) }))), late)
      await assert.rejects(storage.persist(batchOf({ entries: entriesOf(5, 6, 1) })), StorageError)
      await assert.rejects(storage.load(), StorageError)
      assert.ok(bench.disk.hasFailed && bench.disk.isIntact)
      bench.disk.crash()
      const { entries } = await (await bench.open()).load()
      assert.deepEqual(entries, entriesOf(1, entries.length + 1, 1))
      outcomes.add(entries.length)
      assert.equal(bench.disk.counts[fault], 1)
    }
    assert.deepEqual([...outcomes].sort(), [2, 4])
  })
}

test('a stalled disk answers late, or past the deadline', async () => {
  const bench = new Bench(1)
  const storage = await bench.open()
  await storage.load()
  bench.disk.stall(400)
  await bench.until(storage.persist(batchOf({ entries: entriesOf(1, 2, 1) })))
  assert.ok(bench.clock.nowMs() >= 400)
  const writing = storage.persist(batchOf({ entries: entriesOf(2, 3, 1) }))
  await bench.advance(0)
  bench.disk.stall(1000)
  await assert.rejects(bench.until(writing), /no answer/)
})

test('damage that is written over is whole again', async () => {
  const bench = new Bench(1)
  const storage = await bench.open()
  await storage.load()
  await bench.until(storage.persist(batchOf({ entries: entriesOf(1, 2, 1) })))
  const key = Uint8Array.of(0x6d)
  bench.disk.damage('bitFlip', bench.random, key)
  assert.equal(bench.disk.isIntact, false)
  await bench.until(storage.persist(batchOf({ hardState: hardStateOf(2, 1) })))
  assert.equal(bench.disk.isIntact, true)
  assert.deepEqual(bench.disk.durable().hardState, hardStateOf(2, 1))
})

/** What was asked for, oldest first; what is loaded must be the state after one of the writes from `ackedCount` on. */
interface History {
  readonly states: LoadedState[]
  ackedCount: number
  term: number
}

async function liveOnce(bench: Bench, history: History): Promise<void> {
  const { random, disk } = bench
  const storage = await bench.open()
  const loaded = await storage.load()
  const last = (state: LoadedState): number => state.entries.at(-1)?.index ?? state.snapshot?.meta.index ?? 0
  const isKnown = history.states.slice(history.ackedCount).some(state => isSame(state, loaded))
  assert.ok(isKnown, 'an acknowledged write is gone, or a write is there in part')
  history.states.splice(0, history.states.length, loaded)
  history.ackedCount = 0
  const operations = random.nextInt(12)
  for (let i = 0; i < operations; i++) {
    const before = history.states.at(-1)!
    const snapshotIndex: number = before.snapshot?.meta.index ?? 0
    const term = ++history.term
    let writing: Promise<void>
    const kind = random.nextInt(10)
    if (kind < 7) {
      const from = Math.max(snapshotIndex + 1, last(before) + 1 - random.nextInt(4))
      const entries = entriesOf(from, from + random.nextInt(8), term, 20)
      const hardState = hardStateOf(term, null)
      writing = storage.persist(batchOf({ hardState, truncateFrom: from, entries }))
      history.states.push({
        ...before,
        hardState,
        entries: [...before.entries.filter(e => e.index < from), ...entries],
      })
    } else if (kind < 9 && before.entries.length > 0) {
      const snapshot = snapshotOf(
        before.entries[random.nextInt(before.entries.length)]!.index,
        term,
        random.nextInt(400),
      )
      const { index } = snapshot.meta
      writing = storage.saveSnapshot(snapshot, toLogIndex(Math.max(0, index - random.nextInt(3))))
      history.states.push({ ...before, snapshot, entries: before.entries.filter(e => e.index > index) })
    } else {
      const snapshot = snapshotOf(last(before) + random.nextInt(5) + 1, term, random.nextInt(400))
      writing = storage.installSnapshot(snapshot, hardStateOf(term, null))
      history.states.push({ hardState: hardStateOf(term, null), snapshot, entries: [] })
    }
    const isLast = i === operations - 1
    if (isLast && random.nextInt(3) === 0) disk.failNext((['EIO', 'ENOSPC', 'hang'] as const)[random.nextInt(3)]!)
    if (isLast) writing.catch(() => {})
    else {
      await bench.until(writing)
      history.ackedCount = history.states.length - 1
    }
  }
  // Somewhere in the last write, or in what goes on behind it.
  await bench.advance(random.nextInt(80))
  disk.crash()
}

function isSame(a: LoadedState, b: LoadedState): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}

test('crashes and failures at any moment, many lives: nothing acknowledged is lost, nothing is there in part', async t => {
  const totals: Record<string, number> = {}
  const { from, to } = seedRange(60)
  for (let seed = from; seed <= to; seed++) {
    const bench = new Bench(seed)
    const history: History = { states: [emptyState], ackedCount: 0, term: 0 }
    try {
      for (let life = 0; life < 8; life++) await liveOnce(bench, history)
    } catch (error) {
      throw new Error(`seed ${seed} (MILLRACE_TEST_SEEDS=${seed})`, { cause: error })
    }
    // At rest nothing is left of what was interrupted: whoever opens it next has nothing to remove.
    const storage = await bench.open()
    await storage.load()
    await bench.until(storage[Symbol.asyncDispose]())
    const said: string[] = []
    const logger = { ...silentLogger, info: (_fields: unknown, message: string) => void said.push(message) }
    await (await bench.open(logger)).load()
    assert.deepEqual(said, [], `seed ${seed}: something is left over`)
    for (const [name, count] of Object.entries(bench.disk.counts)) totals[name] = (totals[name] ?? 0) + count
  }
  if (to - from >= 50)
    for (const name of ['keptUnacknowledged', 'lostUnacknowledged', 'EIO', 'ENOSPC', 'hang'])
      assert.ok(totals[name]! > 0, name)
  t.diagnostic(JSON.stringify(totals))
})
