/**
 * Raft's stable storage on LMDB (through lmdb-js), with the rules its faults call for:
 *
 * - One write is several puts and removes in one turn of the event loop: lmdb-js makes of them one block of one LMDB
 *   transaction, which commits whole or not at all. `transaction()` is not used: it commits what a throwing callback did.
 * - `overlappingSync: false`: a commit is pages, `fdatasync`, then the meta page through a descriptor that syncs, and only
 *   then the promise. With overlapping syncs a failed commit can stay visible.
 * - No call ending in `Sync` once it is open: it would block the event loop for the disk, and split a block under way.
 * - The first failure ends it: see `PendingWrites`. The file is checked before LMDB maps it: see `checkLmdbFile`.
 *
 * The caller makes sure that no other process has the directory open.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import type { LoadedState, PersistBatch, RaftStorage } from '../raft/storage.ts'
import type { HardState, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import { ConfigError, CorruptionError, StorageError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { type LogIndex, toTerm } from '../util/numbers.ts'
import { KiB, MiB } from '../util/units.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import { createDirectory, openDatabase } from './lmdb-directory.ts'
import { checkLmdbFile } from './lmdb-file.ts'
import { readAll } from './lmdb-load.ts'
import { emptyRange, rangeAfterInstall, rangeAfterPersist, rangeAfterSnapshot } from './log-range.ts'
import { PendingWrites } from './pending-writes.ts'
import * as records from './records.ts'

export interface LmdbStorageOptions {
  /** Directory of the LMDB files; made, with its parents, when it is missing. */
  readonly path: string
  /** Whose state it is: a directory of another node is refused. */
  readonly nodeId: number
  /** A write without an answer for this long has failed. */
  readonly deadlineMs: number
  readonly logger: Logger
  /** The node has run before: a missing directory is a loss (of its vote, among others), not a first start. */
  readonly mustExist?: boolean
  /** Free bytes the file system must keep: below, a write is refused before LMDB meets the end of the disk. */
  readonly reserveBytes?: number
  /** Address space at the start; LMDB takes more when the file grows. */
  readonly mapBytes?: number
}

/** LMDB copies the pages it changes: the path to a leaf of each tree, for each write. */
const writeOverheadBytes = 256 * KiB

/**
 * Opens or creates the storage. Throws `ConfigError` for a directory of another node or of a newer format,
 * `CorruptionError` for a damaged file, `StorageError` when the disk refuses.
 */
export async function openLmdbStorage(options: LmdbStorageOptions): Promise<RaftStorage> {
  const dataFile = join(options.path, 'data.mdb')
  const initial: records.StoredState = {
    hardState: { term: toTerm(0), votedFor: null },
    range: emptyRange,
    snapshot: null,
  }
  if (existsSync(options.path)) {
    if (!existsSync(dataFile)) throw new CorruptionError(dataFile, 'is missing from its directory')
    checkLmdbFile(dataFile)
  } else {
    if (options.mustExist) throw new CorruptionError(options.path, 'is missing, though this node has run before')
    await createDirectory(options, [
      [
        records.identityKey,
        { format: records.formatVersion, nodeId: options.nodeId, diskId: uuidFrom(randomBytes(uuidBytes)) },
      ],
      [records.stateKey, initial],
    ])
    options.logger.info({ path: options.path }, 'created the raft storage')
  }
  const database = await openDatabase(options)
  try {
    const { diskId } = checkedIdentity(database, dataFile, options.nodeId)
    return new LmdbStorage(database, dataFile, diskId, options)
  } catch (error) {
    await database.close()
    throw error
  }
}

function checkedIdentity(database: RootDatabase<Buffer, Buffer>, dataFile: string, nodeId: number): records.Identity {
  const value = database.get(records.identityKey)
  if (value === undefined) throw new CorruptionError(dataFile, 'has no identity record')
  const identity = records.decodeJson<records.Identity>(dataFile, records.identityKey, value)
  if (identity.format > records.formatVersion) {
    const known = `this version reads up to ${records.formatVersion}`
    throw new ConfigError('log.dirs', `${dataFile} has storage format ${identity.format}; ${known}`)
  }
  if (identity.nodeId !== nodeId)
    throw new ConfigError('node.id', `${dataFile} belongs to node ${identity.nodeId}, not to node ${nodeId}`)
  return identity
}

class LmdbStorage implements RaftStorage {
  readonly diskId: string
  readonly #database: RootDatabase<Buffer, Buffer>
  readonly #dataFile: string
  readonly #options: LmdbStorageOptions
  readonly #writes: PendingWrites
  /** As of the last call, durable or not; `null` before `load`. */
  #state: records.StoredState | null = null
  #closing: Promise<void> | null = null

  constructor(database: RootDatabase<Buffer, Buffer>, dataFile: string, diskId: string, options: LmdbStorageOptions) {
    this.diskId = diskId
    this.#database = database
    this.#dataFile = dataFile
    this.#options = options
    this.#writes = new PendingWrites(dataFile, options.deadlineMs)
  }

  async load(): Promise<LoadedState> {
    if (this.#closing !== null) throw new StorageError(this.#dataFile, 'the storage is closed')
    // What was written so far is read back, and after a failure nothing is.
    await this.#writes.add(async () => {})
    const { state, loaded } = readAll(this.#database, this.#dataFile)
    this.#state = state
    return loaded
  }

  persist(batch: PersistBatch): Promise<void> {
    return this.#write(state => {
      const range = rangeAfterPersist(state.range, batch)
      const puts = batch.entries.map(entry => {
        const key = records.entryKey(entry.index)
        return { key, value: records.encodeEntry(key, entry) }
      })
      // Entries that are written again need no removal; those behind the new end do.
      const removals = state.range.endIndex > range.endIndex ? keysOf(range.endIndex, state.range.endIndex) : []
      const isNothing = batch.hardState === null && removals.length === 0 && puts.length === 0
      if (isNothing) return null
      return { state: { ...state, hardState: batch.hardState ?? state.hardState, range }, puts, removals }
    })
  }

  saveSnapshot(snapshot: Snapshot, discardUpTo: LogIndex): Promise<void> {
    return this.#write(state => {
      const range = rangeAfterSnapshot(state.range, snapshot.meta, discardUpTo)
      const discarded = keysOf(state.range.firstIndex, range.firstIndex)
      return this.#withSnapshot({ ...state, range }, snapshot, discarded)
    })
  }

  installSnapshot(snapshot: Snapshot, hardState: HardState): Promise<void> {
    return this.#write(state => {
      const discarded = keysOf(state.range.firstIndex, state.range.endIndex)
      return this.#withSnapshot({ ...state, hardState, range: rangeAfterInstall(snapshot.meta) }, snapshot, discarded)
    })
  }

  /** The write that puts `snapshot` in place of the one before, in one commit: until then the old one is whole. */
  #withSnapshot(state: records.StoredState, snapshot: Snapshot, discarded: readonly Buffer[]): Write {
    const { meta, data } = snapshot
    const puts: Write['puts'][number][] = []
    for (let from = 0; from < data.length; from += records.chunkBytesMax) {
      const key = records.chunkKey(meta.index, puts.length)
      puts.push({ key, value: records.encodeChunk(key, data.subarray(from, from + records.chunkBytesMax)) })
    }
    const before = state.snapshot
    const chunksBefore = before === null ? 0 : Math.ceil(before.sizeBytes / records.chunkBytesMax)
    const chunksKept = before?.meta.index === meta.index ? puts.length : 0
    const removals = [...discarded]
    for (let chunk = chunksKept; chunk < chunksBefore; chunk++)
      removals.push(records.chunkKey(before!.meta.index, chunk))
    return { state: { ...state, snapshot: { meta, sizeBytes: data.length } }, puts, removals }
  }

  #write(plan: (state: records.StoredState) => Write | null): Promise<void> {
    if (this.#closing !== null) return Promise.reject(new StorageError(this.#dataFile, 'the storage is closed'))
    if (this.#writes.failure !== null) return Promise.reject(this.#writes.failure)
    assert(this.#state !== null, 'the storage is loaded before it is written')
    const write = plan(this.#state)
    if (write === null) return this.#writes.add(async () => {})
    this.#state = write.state
    return this.#writes.add(() => this.#commit(write))
  }

  /** Hands everything to LMDB in this turn; resolves when it is on disk. */
  #commit(write: Write): Promise<unknown> {
    this.#checkSpace(write.puts.reduce((sum, put) => sum + put.value.length, 0))
    const committed = this.#database.put(records.stateKey, records.encodeJson(records.stateKey, write.state))
    // These share the promise of the turn's commit, and a condition that fails (a key to remove is missing) is no error.
    for (const { key, value } of write.puts) void this.#database.put(key, value)
    for (const key of write.removals) void this.#database.remove(key)
    return Promise.all([committed, this.#database.flushed]).catch(explainCommitError)
  }

  #checkSpace(sizeBytes: number): void {
    const { bavail, bsize } = statfsSync(this.#options.path)
    const reserveBytes = this.#options.reserveBytes ?? 8 * MiB
    if (bavail * bsize < reserveBytes + 2 * sizeBytes + writeOverheadBytes)
      throw new StorageError(
        this.#dataFile,
        `the disk is full: ${bavail * bsize} bytes are free, ${reserveBytes} are kept back`,
      )
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // After a failure LMDB's writer may hold its locks for ever: closing would hang, and the process is about to end.
    if (this.#writes.failure !== null) return
    // At rest the last two commits say the same. One damaged bit, in the transaction number of the newest meta page, can
    // make LMDB start from the commit before, as after a crash just before the last one; so that must not matter.
    const state = this.#state
    await this.#writes.add(() => (state === null ? Promise.resolve() : this.#commit({ state, puts: [], removals: [] })))
    await this.#writes.add(() => this.#database.close())
  }
}

interface Write {
  readonly state: records.StoredState
  readonly puts: readonly { readonly key: Buffer; readonly value: Buffer }[]
  readonly removals: readonly Buffer[]
}

function keysOf(from: number, to: number): Buffer[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => records.entryKey(from + i))
}

/** lmdb-js says why a commit failed in a second promise, which nobody else handles and which may stay pending. */
async function explainCommitError(error: Error & { commitError?: Promise<never> }): Promise<never> {
  if (error.commitError === undefined) throw error
  const reason = error.commitError.catch((cause: Error) => cause)
  const unknown = new Promise<Error>(resolve => setTimeout(resolve, 50, error))
  const cause = await Promise.race([reason, unknown])
  throw new Error(`commit failed: ${cause.message}`, { cause })
}
