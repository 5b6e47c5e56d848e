/** What is in the file: one LMDB transaction for one batch, and the formats of earlier versions. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Entry } from '../../src/raft/types.ts'
import type { Change } from '../../src/raft-storage/key-value-store.ts'
import { createDirectory } from '../../src/raft-storage/lmdb-directory.ts'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import * as records from '../../src/raft-storage/records.ts'
import { crc32c } from '../../src/util/crc32c.ts'
import { ConfigError, CorruptionError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { MiB } from '../../src/util/units.ts'
import { batchOf, entriesOf, hardStateOf, snapshotOf } from '../contract/raft-storage.ts'

const options = (path: string) => ({ path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger })

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-format-'))
  try {
    await run(join(directory, 'raft'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Each in a record of its own, as formats 1 and 2 had them. */
function entriesOfFormat2(entries: readonly Entry[]): Change[] {
  return entries.map(({ index, term, kind, data }) => {
    const key = Buffer.from(records.runKey(index))
    const head = Buffer.alloc(9)
    head.writeBigUInt64BE(BigInt(term))
    head[8] = ['data', 'noop', 'configuration'].indexOf(kind)
    const value = Buffer.concat([Buffer.alloc(4), Buffer.of(key.length), key, head, data])
    value.writeUInt32BE(crc32c(value, 4, value.length))
    return { key, value }
  })
}

/** The number of the newest transaction, from the two meta pages. */
function lastTransaction(path: string): number {
  const bytes = readFileSync(join(path, 'data.mdb'))
  return Math.max(...[0, 4096].map(page => Number(bytes.readBigUInt64LE(page + 152))))
}

test('one batch is one transaction; batches that gather are one; what changes nothing is none', async () => {
  await inDirectory(async path => {
    const storage = await openLmdbStorage(options(path))
    await storage.load()
    /** Transactions that `writes` make, all asked for in one turn. */
    const transactionsOf = async (...writes: Array<() => Promise<void>>): Promise<number> => {
      const before = lastTransaction(path)
      await Promise.all(writes.map(write => write()))
      return lastTransaction(path) - before
    }
    const append = (from: number, to: number) => () => storage.persist(batchOf({ entries: entriesOf(from, to, 1) }))
    const vote = (term: number) => () => storage.persist(batchOf({ hardState: hardStateOf(term, 1) }))
    assert.equal(await transactionsOf(append(1, 2)), 1)
    // More than lmdb-js hands to its writer at once.
    assert.equal(await transactionsOf(append(2, 3002)), 1)
    assert.equal(await transactionsOf(() => storage.persist(batchOf({ truncateFrom: 3, entries: [] }))), 1)
    assert.equal(await transactionsOf(append(3, 5), vote(1), append(5, 9), vote(2), append(9, 10)), 1)
    // While one is under way the rest gathers, whenever it comes.
    const whileUnderWay = async (): Promise<void> => {
      await Promise.resolve()
      await Promise.resolve()
      await Promise.all([vote(3)(), append(11, 13)(), vote(4)(), append(13, 14)()])
    }
    assert.equal(await transactionsOf(append(10, 11), whileUnderWay), 2)
    const nothing = [
      vote(4),
      () => storage.persist(batchOf({})),
      () => storage.persist(batchOf({ truncateFrom: 14 })),
      () => storage.persist(batchOf({ hardState: hardStateOf(4, 1), truncateFrom: 20, entries: [] })),
    ]
    assert.equal(await transactionsOf(...nothing), 0)
    await storage[Symbol.asyncDispose]()
  })
})

test('format 1 is upgraded in place: a disk id for good, and the snapshot where it was', async () => {
  await inDirectory(async path => {
    const entries = entriesOf(7, 10, 2)
    const snapshot = snapshotOf(6, 2, MiB + 10)
    const state = {
      hardState: hardStateOf(3, 1),
      range: { firstIndex: 7, endIndex: 10, snapshotIndex: 6 },
      snapshot: { meta: snapshot.meta, sizeBytes: snapshot.data.length },
    }
    const chunks = [snapshot.data.subarray(0, MiB), snapshot.data.subarray(MiB)].map((data, i) => {
      const key = records.chunkKey(6, i)
      return { key, value: records.encodeChunk(key, data) }
    })
    await createDirectory({ path }, [
      { key: records.identityKey, value: records.encodeJson(records.identityKey, { format: 1, nodeId: 1 }) },
      { key: records.stateKey, value: records.encodeJson(records.stateKey, state as unknown as records.StoredState) },
      ...entriesOfFormat2(entries),
      ...chunks,
    ])
    const diskIds = new Set<string>()
    for (let life = 0; life < 3; life++) {
      const storage = await openLmdbStorage(options(path))
      diskIds.add(storage.diskId)
      assert.deepEqual(await storage.load(), { hardState: hardStateOf(3, 1), snapshot, entries })
      await storage[Symbol.asyncDispose]()
    }
    assert.equal(diskIds.size, 1)
    assert.match([...diskIds][0]!, /^[\w-]{22}$/)
    const newer = snapshotOf(8, 2, 500)
    const storage = await openLmdbStorage(options(path))
    await storage.load()
    await storage.saveSnapshot(newer, newer.meta.index)
    await storage[Symbol.asyncDispose]()
    const reopened = await openLmdbStorage(options(path))
    assert.deepEqual(await reopened.load(), {
      hardState: hardStateOf(3, 1),
      snapshot: newer,
      entries: entries.slice(2),
    })
    await reopened[Symbol.asyncDispose]()
  })
})

test('format 2 is upgraded in place, without what an unfinished save left', async () => {
  await inDirectory(async path => {
    const entries = entriesOf(7, 600, 2, 900)
    const snapshot = snapshotOf(6, 2, 500)
    const key = records.chunkKey(3, 0)
    const state = {
      hardState: hardStateOf(3, 1),
      range: { firstIndex: 7, endIndex: 600, snapshotIndex: 6 },
      snapshot: { meta: snapshot.meta, sizeBytes: snapshot.data.length, number: 3, chunkCount: 1 },
    }
    const identity = { format: 2, nodeId: 1, diskId: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const initial = [
      { key: records.identityKey, value: records.encodeJson(records.identityKey, identity) },
      { key: records.stateKey, value: records.encodeJson(records.stateKey, state as unknown as records.StoredState) },
      ...entriesOfFormat2(entriesOf(4, 7, 1)),
      ...entriesOfFormat2(entries),
      { key, value: records.encodeChunk(key, snapshot.data) },
    ]
    await createDirectory({ path }, initial)
    const expected = { hardState: hardStateOf(3, 1), snapshot, entries }
    for (let life = 0; life < 2; life++) {
      const before = lastTransaction(path)
      const storage = await openLmdbStorage(options(path))
      assert.equal(lastTransaction(path) - before, life === 0 ? 1 : 0)
      assert.equal(storage.diskId, identity.diskId)
      assert.deepEqual(await storage.load(), expected)
      await storage[Symbol.asyncDispose]()
    }
    for (const lost of [10, 599]) {
      const damaged = `${path}-${lost}`
      await createDirectory(
        { path: damaged },
        initial.filter(change => Buffer.compare(change.key, records.runKey(lost)) !== 0),
      )
      await assert.rejects(openLmdbStorage(options(damaged)), CorruptionError)
    }
  })
})

test('a newer format is refused by name', async () => {
  await inDirectory(async path => {
    const identity = { format: records.formatVersion + 1, nodeId: 1, diskId: 'x' }
    await createDirectory({ path }, [
      { key: records.identityKey, value: records.encodeJson(records.identityKey, identity) },
    ])
    await assert.rejects(openLmdbStorage(options(path)), error => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /data\.mdb has storage format 4; this version reads up to 3/)
      return true
    })
  })
})

test('two stores have two disk ids, on disk and in memory', async () => {
  assert.notEqual(memoryStorage().diskId, memoryStorage().diskId)
  await inDirectory(async path => {
    const ids = await Promise.all(
      ['a', 'b'].map(async name => {
        await using storage = await openLmdbStorage(options(`${path}-${name}`))
        return storage.diskId
      }),
    )
    assert.notEqual(ids[0], ids[1])
  })
})
