/**
 * A server's storage in a process of its own, for the tests that kill it or break its disk. Reads one command from its
 * argument (JSON) and prints one line of JSON per event on stdout.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadedState } from '../../src/raft/storage.ts'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLogIndex } from '../../src/util/numbers.ts'
import { batchOf, entriesOf, hardStateOf, snapshotOf } from '../contract/raft-storage.ts'

export type Command =
  /** Writes for ever; says what was acknowledged after each. */
  | { kind: 'write'; path: string }
  /** Writes `before` batches, sets the fault, writes one more and then another. */
  | { kind: 'fault'; path: string; fault: string; deadlineMs: number }
  /** Writes `count` batches, and after each (`isEarly`: before it is done) a line to the TCP port. */
  | { kind: 'reply'; path: string; count: number; port: number; isEarly: boolean }
  /** Writes `count` batches with marks in the shim's log around each. */
  | { kind: 'marks'; path: string; count: number; log: string }
  /** Loads copies of `base` (a data file) in `scratch`, each changed in one place, and compares with `expected`. */
  | { kind: 'damage'; base: string; scratch: string; changes: Change[]; expected: string }

/** One flipped bit, or the file cut to a length. */
export type Change = { bit: number } | { length: number }

/** The loaded state as one comparable string. */
export function describe(loaded: LoadedState): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(loaded.hardState))
    .update(JSON.stringify(loaded.snapshot?.meta ?? null))
  hash.update(loaded.snapshot?.data ?? '')
  for (const entry of loaded.entries) hash.update(`${entry.index} ${entry.term} ${entry.kind} `).update(entry.data)
  return hash.digest('hex')
}

const say = (event: Record<string, unknown>): void => void writeSync(1, `${JSON.stringify(event)}\n`)
const options = (path: string, deadlineMs = 20_000) => ({ path, nodeId: 1, deadlineMs, logger: silentLogger })

async function main(command: Command): Promise<void> {
  if (command.kind === 'damage') return tryDamage(command)
  const storage = await openLmdbStorage(options(command.path, command.kind === 'fault' ? command.deadlineMs : 20_000))
  const loaded = await storage.load()
  let next: number = (loaded.entries.at(-1)?.index ?? loaded.snapshot?.meta.index ?? 0) + 1
  const term: number = loaded.hardState.term + 1
  if (command.kind === 'reply') {
    const socket = connect(command.port, '127.0.0.1')
    await once(socket, 'connect')
    for (let i = 0; i < command.count; i++, next++) {
      const hardState = i % 3 === 0 ? hardStateOf(term, i) : null
      const persisted = storage.persist(batchOf({ hardState, entries: entriesOf(next, next + 1, term) }))
      if (!command.isEarly) await persisted
      socket.write(`reply ${i}\n`)
      await persisted
    }
    socket.end()
    await storage[Symbol.asyncDispose]()
    return
  }
  if (command.kind === 'marks') {
    for (let i = 0; i < command.count; i++) {
      // One of them with more instructions than lmdb-js hands to its writer at once: still one commit.
      const size = i === 5 ? 3000 : 3
      appendFileSync(command.log, `call ${i}\n`)
      await storage.persist(batchOf({ hardState: hardStateOf(term, 1), entries: entriesOf(next, next + size, term) }))
      appendFileSync(command.log, `reply ${i}\n`)
      next += size
    }
    await storage[Symbol.asyncDispose]()
    return
  }
  if (command.kind === 'fault') {
    for (let i = 0; i < 3; i++, next++) await storage.persist(batchOf({ entries: entriesOf(next, next + 1, term) }))
    process.on('unhandledRejection', error => say({ kind: 'unhandled', message: (error as Error).message }))
    process.env.STORAGE_SHIM_FAULT = command.fault
    const attempts = [0, 1].map(
      i => () => storage.persist(batchOf({ entries: entriesOf(next + i, next + i + 1, term) })),
    )
    for (const attempt of [...attempts, () => storage.load()]) {
      await attempt().then(
        () => say({ kind: 'done' }),
        error => say({ kind: 'rejected', name: error.name, message: error.message }),
      )
      delete process.env.STORAGE_SHIM_FAULT
    }
    await storage[Symbol.asyncDispose]()
    say({ kind: 'disposed' })
    // LMDB's writer may hang in the native library: an orderly exit would wait for it.
    process.kill(process.pid, 'SIGKILL')
  }
  say({ kind: 'start', term, last: next - 1 })
  for (let i = 0; ; i++) {
    const count = 1 + (i % 5)
    const writes = [
      storage.persist(
        batchOf({ hardState: hardStateOf(term, i), entries: entriesOf(next, next + count, term, 100 * (i % 40)) }),
      ),
    ]
    const last = next + count - 1
    if (i % 7 === 3) writes.push(storage.saveSnapshot(snapshotOf(next, term, 1_500_000), toLogIndex(next - 1)))
    await Promise.all(writes)
    say({ kind: 'acked', vote: i, last, snapshot: i % 7 === 3 ? next : null })
    next += count
  }
}

async function tryDamage(command: Command & { kind: 'damage' }): Promise<void> {
  const whole = readFileSync(command.base)
  for (const [i, change] of command.changes.entries()) {
    const path = join(command.scratch, `${process.pid}-${i}`)
    mkdirSync(path)
    const bytes = Buffer.from('length' in change ? whole.subarray(0, change.length) : whole)
    if ('bit' in change) bytes[change.bit >> 3]! ^= 1 << (change.bit & 7)
    writeFileSync(join(path, 'data.mdb'), bytes)
    say({ kind: 'trying', change })
    try {
      const storage = await openLmdbStorage(options(path))
      try {
        const isSame = describe(await storage.load()) === command.expected
        say({ kind: isSame ? 'same' : 'wrong', change })
      } finally {
        await storage[Symbol.asyncDispose]()
      }
    } catch (error) {
      say({ kind: 'refused', change, name: (error as Error).name, message: (error as Error).message })
    }
    rmSync(path, { recursive: true })
  }
}

// Imported by a test for its types and `describe`, run by it as a process for the rest.
if (process.argv[1] === fileURLToPath(import.meta.url)) await main(JSON.parse(process.argv[2]!) as Command)
