/**
 * The store on LMDB (through lmdb-js), with the rules its faults call for:
 *
 * - A commit is several puts and removes in one turn of the event loop: lmdb-js makes of them one block of one LMDB
 *   transaction, which commits whole or not at all. `transaction()` is not used: it commits what a throwing callback did.
 * - `overlappingSync: false`: a commit is pages, `fdatasync`, then the meta page through a descriptor that syncs, and only
 *   then the promise. With overlapping syncs a failed commit can stay visible.
 * - No call ending in `Sync` once it is open: it would block the event loop for the disk, and split a block under way.
 */
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { StorageError } from '../util/errors.ts'
import { KiB } from '../util/units.ts'
import type { Change, KeyValueStore, Pair } from './key-value-store.ts'

/** LMDB copies the pages it changes: the path to a leaf of each tree, for each write. */
const writeOverheadBytes = 256 * KiB

export class LmdbStore implements KeyValueStore {
  /** The data file. */
  readonly where: string
  readonly #database: RootDatabase<Buffer, Buffer>
  readonly #reserveBytes: number

  /** A commit that would leave less than `reserveBytes` free on the file system is refused. */
  constructor(database: RootDatabase<Buffer, Buffer>, dataFile: string, reserveBytes: number) {
    this.where = dataFile
    this.#database = database
    this.#reserveBytes = reserveBytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#database.get(key as Buffer)
  }

  getRange(): Iterable<Pair> {
    return this.#database.getRange({ start: Buffer.of(0) })
  }

  async commit(changes: readonly Change[]): Promise<void> {
    this.#checkSpace(changes)
    // All share the promise of the turn's commit, and a condition that fails (a key to remove is missing) is no error.
    let committed: Promise<unknown> | undefined
    for (const { key, value } of changes) {
      committed =
        value === null ? this.#database.remove(key as Buffer) : this.#database.put(key as Buffer, value as Buffer)
    }
    await Promise.all([committed, this.#database.flushed]).catch(explainCommitError)
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  #checkSpace(changes: readonly Change[]): void {
    const { bavail, bsize } = statfsSync(dirname(this.where))
    let sizeBytes = 0
    for (const { value } of changes) sizeBytes += value?.length ?? 0
    if (bavail * bsize >= this.#reserveBytes + 2 * sizeBytes + writeOverheadBytes) return
    const message = `the disk is full: ${bavail * bsize} bytes are free, ${this.#reserveBytes} are kept back`
    throw new StorageError(this.where, message)
  }
}

/** lmdb-js says why a commit failed in a second promise, which nobody else handles and which may stay pending. */
async function explainCommitError(error: Error & { commitError?: Promise<never> }): Promise<never> {
  if (error.commitError === undefined) throw error
  const reason = error.commitError.catch((cause: Error) => cause)
  const unknown = new Promise<Error>(resolve => setTimeout(resolve, 50, error))
  const cause = await Promise.race([reason, unknown])
  throw new Error(`commit failed: ${cause.message}`, { cause })
}
