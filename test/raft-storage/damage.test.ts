/**
 * Damaged data files: refused, or harmless; never another state, and never a process killed by a signal, which is what
 * LMDB alone makes of many of them.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { ConfigError, CorruptionError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLogIndex } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { batchOf, entriesOf, hardStateOf, snapshotOf } from '../contract/raft-storage.ts'
import { runs, seedRange } from '../support/depth.ts'
import { type Change, describe } from './child.ts'
import { runChild } from './run-child.ts'

const random = seededRandom(seedRange(1).from)
const flips = runs(240)
const cuts = 60

const options = (path: string, nodeId = 1) => ({ path, nodeId, deadlineMs: 20_000, logger: silentLogger })

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-damage-'))
  try {
    await run(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A file with a tree of two levels, overflow pages, free pages and a snapshot; returns what it holds. */
async function writeFile(path: string): Promise<string> {
  const storage = await openLmdbStorage(options(path))
  await storage.load()
  for (let i = 0; i < 20; i++) {
    const entries = entriesOf(1 + i * 20, 21 + i * 20, 1, i === 10 ? 6000 : 60)
    await storage.persist(batchOf({ hardState: hardStateOf(1 + i, 1), entries }))
  }
  await storage.saveSnapshot(snapshotOf(150, 3, 30_000), toLogIndex(150))
  await storage.persist(batchOf({ hardState: hardStateOf(50, 2), truncateFrom: 390, entries: entriesOf(390, 395, 50) }))
  const expected = describe(await storage.load())
  await storage[Symbol.asyncDispose]()
  return expected
}

test(`${flips} flipped bits and ${cuts} cuts: refused with one line, or harmless`, async t => {
  await inDirectory(async directory => {
    const expected = await writeFile(join(directory, 'raft'))
    const base = join(directory, 'raft', 'data.mdb')
    const { size } = statSync(base)
    const pending: Change[] = [
      ...Array.from({ length: flips }, () => ({ bit: random.nextInt(size * 8) })),
      // The meta pages are a small target, and the one that matters most.
      ...Array.from({ length: flips / 4 }, () => ({
        bit: (random.nextInt(2) * 4096 + random.nextInt(168)) * 8 + random.nextInt(8),
      })),
      ...Array.from({ length: cuts }, (_, i) => ({
        length: i % 2 ? random.nextInt(size) : random.nextInt(size / 4096) * 4096,
      })),
    ]
    const outcomes = { same: 0, wrong: 0, refused: 0, crashed: 0 }
    const scratch = join(directory, 'scratch')
    mkdirSync(scratch)
    while (pending.length > 0) {
      const { events, signal, stderr } = await runChild({
        kind: 'damage',
        base,
        scratch,
        changes: pending.slice(0, 1000),
        expected,
      })
      const tried = events.filter(event => event.kind === 'trying').length
      for (const event of events) {
        if (event.kind === 'trying') continue
        outcomes[event.kind as keyof typeof outcomes]++
        assert.notEqual(event.kind, 'wrong', `another state was loaded after ${JSON.stringify(event.change)}`)
        if (event.kind === 'refused') assert.equal(event.name, 'CorruptionError', String(event.message))
      }
      if (signal !== null) outcomes.crashed++
      assert.equal(signal, null, `killed by ${signal} after ${JSON.stringify(pending[tried - 1])}: ${stderr}`)
      pending.splice(0, tried)
    }
    assert.ok(outcomes.refused > outcomes.same / 10 && outcomes.same > 0, JSON.stringify(outcomes))
    t.diagnostic(JSON.stringify({ size, ...outcomes }))
  })
})

test('what is not an LMDB file, and a directory without its file, are refused by name', async () => {
  await inDirectory(async directory => {
    const garbage = [
      Buffer.alloc(0),
      Buffer.alloc(8192),
      Buffer.from('x'.repeat(20_000)),
      Buffer.from(random.nextBytes(20_000)),
    ]
    for (const [i, bytes] of garbage.entries()) {
      const path = join(directory, String(i))
      mkdirSync(path)
      await assert.rejects(openLmdbStorage(options(path)), CorruptionError)
      writeFileSync(join(path, 'data.mdb'), bytes)
      await assert.rejects(openLmdbStorage(options(path)), error => {
        assert.ok(error instanceof CorruptionError)
        assert.match(error.message, /data\.mdb, page 0: /)
        return true
      })
      assert.deepEqual(readFileSync(join(path, 'data.mdb')), bytes, 'the evidence stays as it was')
    }
  })
})

test('the storage of another node, and one that must exist but does not, are refused', async () => {
  await inDirectory(async directory => {
    const path = join(directory, 'raft')
    await assert.rejects(
      openLmdbStorage({ ...options(path), mustExist: true }),
      /is missing, though this node has run before/,
    )
    const storage = await openLmdbStorage(options(path, 1))
    await storage[Symbol.asyncDispose]()
    await assert.rejects(openLmdbStorage(options(path, 2)), error => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /raft\/data\.mdb belongs to node 1, not to node 2/)
      return true
    })
  })
})
