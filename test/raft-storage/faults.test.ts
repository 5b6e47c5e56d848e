/**
 * LMDB on a disk that fails, seen through the shim in `test/shims/`: what is synced before a reply, what happens to a
 * write that fails or never comes back, and what the next start finds.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { StorageError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { batchOf, entriesOf, hardStateOf } from '../contract/raft-storage.ts'
import { runChild, storageShim } from './run-child.ts'

const shim = storageShim()
const skip = 'missing' in shim ? shim.missing : false
const preload = 'path' in shim ? { LD_PRELOAD: shim.path } : {}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
  try {
    await run(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('pages, then fdatasync, then the synced meta page, then the reply', { skip }, async () => {
  await inDirectory(async directory => {
    const log = join(directory, 'log')
    const count = 20
    const { code } = await runChild(
      { kind: 'marks', path: join(directory, 'raft'), count, log },
      { ...preload, STORAGE_SHIM_LOG: log },
    )
    assert.equal(code, 0)
    const lines = readFileSync(log, 'utf8').split('\n')
    for (let i = 0; i < count; i++) {
      const between = lines.slice(lines.indexOf(`call ${i}`) + 1, lines.indexOf(`reply ${i}`))
      assert.match(between.join(' '), /^(pwrite \d+ 0 )+fdatasync pwrite \d+ 1$/, `write ${i}`)
    }
    // What follows the last reply is one whole write: the one of the closing.
    const closing = lines.slice(lines.indexOf(`reply ${count - 1}`) + 1).join(' ')
    assert.match(closing, /^(pwrite \d+ 0 )+fdatasync pwrite \d+ 1 $/)
  })
})

for (const fault of [
  'fdatasync:EIO',
  'pwrite:EIO',
  'pwrite:ENOSPC',
  'meta:EIO',
  'meta:ENOSPC',
  'fdatasync:hang',
  'meta:hang',
]) {
  test(`${fault}: the write is rejected, and everything after it; the next start has what was acknowledged`, {
    skip,
  }, async () => {
    await inDirectory(async directory => {
      const path = join(directory, 'raft')
      const deadlineMs = fault.endsWith('hang') ? 500 : 20_000
      const { events } = await runChild({ kind: 'fault', path, fault, deadlineMs }, preload)
      assert.deepEqual(
        events.map(event => event.kind),
        ['rejected', 'rejected', 'rejected', 'disposed'],
      )
      for (const event of events.slice(0, 3)) assert.equal(event.name, 'StorageError')
      const expected = { EIO: /Input\/output error/, ENOSPC: /No space left/, hang: /no answer within 500 ms/ }
      assert.match(String(events[0]!.message), expected[fault.split(':')[1] as keyof typeof expected])
      const storage = await openLmdbStorage({ path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger })
      const { entries } = await storage.load()
      await storage[Symbol.asyncDispose]()
      // The fourth entry is unknown: it may be there, whole. The fifth was refused at once.
      assert.deepEqual(entries, entriesOf(1, entries.length === 4 ? 5 : 4, 1))
    })
  })
}

test('too little free space: refused before LMDB meets the end of the disk, and unusable from then on', async () => {
  await inDirectory(async directory => {
    const path = join(directory, 'raft')
    const options = { path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger }
    const storage = await openLmdbStorage({ ...options, reserveBytes: 2 ** 50 })
    await storage.load()
    await assert.rejects(
      storage.persist(batchOf({ entries: entriesOf(1, 2, 1) })),
      /data\.mdb: the disk is full: \d+ bytes/,
    )
    await assert.rejects(storage.persist(batchOf({ hardState: hardStateOf(1, 1) })), StorageError)
    await assert.rejects(storage.load(), StorageError)
    await storage[Symbol.asyncDispose]()
  })
})
