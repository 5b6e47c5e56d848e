/** A real process that writes and is killed: everything acknowledged is there afterwards, and no write is there in part. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { seededRandom } from '../../src/util/random.ts'
import { entryOf, snapshotOf } from '../contract/raft-storage.ts'
import { type ChildEvent, runChild } from './run-child.ts'

const lives = 8

test(`SIGKILL in the middle of writes, ${lives} lives of one server`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-crash-'))
  const path = join(directory, 'raft')
  const random = seededRandom(2)
  try {
    for (let life = 0; life < lives; life++) {
      // From a kill before the first write to one well into them.
      const killAfter = life === 0 ? 0 : random.nextInt(40)
      let acked = 0
      const { events, signal } = await runChild({ kind: 'write', path }, {}, (event, child) => {
        if (event.kind === 'acked') acked++
        if (acked === killAfter) child.kill('SIGKILL')
      })
      assert.equal(signal, 'SIGKILL')
      await checkLife(path, events)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

async function checkLife(path: string, events: readonly ChildEvent[]): Promise<void> {
  const start = events.find(event => event.kind === 'start')
  assert.ok(start !== undefined, 'the child started')
  const acks = events.filter(event => event.kind === 'acked') as unknown as {
    vote: number
    last: number
    snapshot: number | null
  }[]
  const storage = await openLmdbStorage({ path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger })
  const loaded = await storage.load()
  await storage[Symbol.asyncDispose]()
  const last: number = loaded.entries.at(-1)?.index ?? loaded.snapshot?.meta.index ?? 0
  const lastAck = acks.at(-1)
  if (loaded.hardState.term < start.term!) {
    assert.equal(lastAck, undefined, 'an acknowledged write is gone')
    assert.equal(last, start.last!)
    return
  }
  // Hard state and entries are of one write: write i votes for i and appends 1 + i % 5 entries.
  const vote: number = loaded.hardState.votedFor!
  let expectedLast = start.last!
  for (let i = 0; i <= vote; i++) expectedLast += 1 + (i % 5)
  assert.equal(last, expectedLast, 'a write is there in part')
  assert.ok(vote >= (lastAck?.vote ?? 0) && last >= (lastAck?.last ?? 0), 'an acknowledged write is gone')
  for (const entry of loaded.entries) assert.deepEqual(entry, entryOf(entry.index, entry.term, entry.data.length))
  const snapshotAck = acks.filter(ack => typeof ack.snapshot === 'number').at(-1)?.snapshot ?? 0
  assert.ok((loaded.snapshot?.meta.index ?? 0) >= snapshotAck, 'an acknowledged snapshot is gone')
  if (loaded.snapshot !== null) {
    const { index, term } = loaded.snapshot.meta
    const expected = snapshotOf(index, term, 1_500_000)
    assert.deepEqual(loaded.snapshot.meta, expected.meta)
    assert.equal(Buffer.compare(loaded.snapshot.data, expected.data), 0)
  }
}
