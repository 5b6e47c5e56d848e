/**
 * Raft's stable storage on a `KeyValueStore`: LMDB in production, a simulated disk in the simulator, the same code on both.
 *
 * - The state record goes with every change of what it describes, in one commit: it says what else must be there.
 * - A snapshot is staged in chunks under a number of its own, one commit each, beside what is proposed meanwhile; the
 *   commit that ends it names that number. Until then the one before it counts.
 * - What a snapshot covers leaves behind it, a bounded piece at a time. Nothing below the range is ever written again, so
 *   a piece cannot take what is needed; whatever a crash leaves is removed after the next load.
 */
import type { LoadedState, PersistBatch, RaftStorage } from '../raft/storage.ts'
import type { HardState, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import { ConfigError, StorageError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { LogIndex } from '../util/numbers.ts'
import { KiB } from '../util/units.ts'
import { CommitQueue, type CommitQueueOptions } from './commit-queue.ts'
import type { Change, KeyValueStore } from './key-value-store.ts'
import { readAll, readIdentity } from './load.ts'
import { isSuperseded, rangeAfterInstall, rangeAfterPersist, rangeAfterSnapshot } from './log-range.ts'
import * as records from './records.ts'
import type { RunIndex } from './runs.ts'
import { upgrade } from './upgrade.ts'

/** How much of a snapshot, or of what it makes superfluous, goes into one commit that proposals may have to wait for. */
export interface PieceLimits {
  readonly chunkBytes: number
  readonly removals: number
}

export const defaultPieceLimits: PieceLimits = { chunkBytes: 256 * KiB, removals: 256 }

export interface KeyValueStorageOptions extends CommitQueueOptions {
  /** Whose state it is: a store of another node is refused. */
  readonly nodeId: number
  /** For a store of a format that had no disk id. */
  readonly newDiskId: () => string
  readonly logger: Logger
  readonly pieces?: PieceLimits
}

/**
 * Opens a store that has its initial records, and owns it from then on. Throws `ConfigError` for one of another node or of
 * a newer format, `CorruptionError` for a damaged identity, `StorageError` when the disk refuses.
 */
export async function openKeyValueStorage(store: KeyValueStore, options: KeyValueStorageOptions): Promise<RaftStorage> {
  try {
    const identity = readIdentity(store)
    checkOwner(store.where, identity, options.nodeId)
    const diskId = identity.diskId ?? options.newDiskId()
    const commits = new CommitQueue(store, options)
    if (identity.format < records.formatVersion) {
      options.logger.info({ from: identity.format, to: records.formatVersion }, 'upgrading the raft storage')
      const { changes, state } = upgrade(store)
      await commits.add([...changes, records.identityRecord(options.nodeId, diskId)], state)
    }
    return new KeyValueStorage(store, diskId, commits, options)
  } catch (error) {
    // See `#close`.
    if (!(error instanceof StorageError)) await store.close()
    throw error
  }
}

function checkOwner(where: string, identity: records.Identity, nodeId: number): void {
  if (identity.format > records.formatVersion) {
    const known = `this version reads up to ${records.formatVersion}`
    throw new ConfigError('log.dirs', `${where} has storage format ${identity.format}; ${known}`)
  }
  if (identity.nodeId !== nodeId)
    throw new ConfigError('node.id', `${where} belongs to node ${identity.nodeId}, not to node ${nodeId}`)
}

class KeyValueStorage implements RaftStorage {
  readonly diskId: string
  readonly #store: KeyValueStore
  readonly #commits: CommitQueue
  readonly #logger: Logger
  readonly #pieces: PieceLimits
  /** As of the last call, durable or not; `null` before `load`. */
  #state: records.StoredState | null = null
  /** As the state says. */
  #runs!: RunIndex
  /** Snapshots, and the removals behind them, take turns. */
  #lastTurn: Promise<void> = Promise.resolve()
  #nextSnapshotNumber = 1
  /** From the call until the state says so: what is written meanwhile would belong to a log that is being replaced. */
  #isInstalling = false
  #closing: Promise<void> | null = null

  constructor(store: KeyValueStore, diskId: string, commits: CommitQueue, options: KeyValueStorageOptions) {
    this.#store = store
    this.diskId = diskId
    this.#commits = commits
    this.#logger = options.logger
    this.#pieces = options.pieces ?? defaultPieceLimits
  }

  async load(): Promise<LoadedState> {
    if (this.#closing !== null) throw this.#closedError()
    // What was written so far is read back, and after a failure nothing is.
    await this.#commits.settled()
    const { state, runs, loaded, leftovers } = readAll(this.#store)
    // Later ones are for tests: what they find unnamed may be a snapshot that is being staged.
    if (this.#state === null) {
      this.#state = state
      this.#runs = runs
      this.#nextSnapshotNumber = (state.snapshot?.number ?? 0) + 1
      if (leftovers.length > 0) {
        this.#logger.info({ records: leftovers.length }, 'removing what an unfinished save left in the raft storage')
        this.#removeLater(leftovers)
      }
    }
    return loaded
  }

  async persist(batch: PersistBatch): Promise<void> {
    const before = this.#writableState()
    assert(!this.#isInstalling, 'nothing is written while a snapshot is installed')
    const range = rangeAfterPersist(before.range, batch)
    const hardState = batch.hardState ?? before.hardState
    const isSameLog = batch.entries.length === 0 && range.endIndex === before.range.endIndex
    if (isSameLog && isSame(hardState, before.hardState)) return this.#commits.settled()
    // In this order: the first of the new entries may be where a run was that is gone.
    const removals = removalsOf(batch.truncateFrom === null ? [] : this.#runs.truncate(batch.truncateFrom))
    const changes = [...removals, ...this.#runs.append(batch.entries)]
    this.#state = { ...before, hardState, range, lastRun: this.#runs.last }
    return this.#commits.add(changes, this.#state)
  }

  async saveSnapshot(snapshot: Snapshot, discardUpTo: LogIndex): Promise<void> {
    const { range: rangeNow } = this.#writableState()
    if (isSuperseded(rangeNow, snapshot.meta)) return
    rangeAfterSnapshot(rangeNow, snapshot.meta, discardUpTo)
    return this.#inTurn(async () => {
      // One from the leader may have had its turn before.
      if (isSuperseded(this.#state!.range, snapshot.meta)) return
      const { stored, lastChunk } = await this.#stage(snapshot)
      const before = this.#state!
      const range = rangeAfterSnapshot(before.range, snapshot.meta, discardUpTo)
      const covered = this.#runs.discard(range.firstIndex, range.endIndex)
      this.#state = { ...before, range, lastRun: this.#runs.last, snapshot: stored }
      await this.#commits.add(lastChunk, this.#state)
      this.#removeLater([...covered, ...chunkKeys(before.snapshot)])
    })
  }

  async installSnapshot(snapshot: Snapshot, hardState: HardState): Promise<void> {
    rangeAfterInstall(this.#writableState().range, snapshot.meta)
    assert(!this.#isInstalling, 'one snapshot is installed at a time')
    this.#isInstalling = true
    return this.#inTurn(async () => {
      const { stored, lastChunk } = await this.#stage(snapshot)
      const before = this.#state!
      const range = rangeAfterInstall(before.range, snapshot.meta)
      // Entries from the new range on may be written again at once: those that are there leave with the same commit.
      const replaced = removalsOf(this.#runs.truncate(range.firstIndex))
      const covered = this.#runs.truncate(0)
      this.#state = { hardState, range, lastRun: 0, snapshot: stored }
      this.#isInstalling = false
      await this.#commits.add([...lastChunk, ...replaced], this.#state)
      this.#removeLater([...covered, ...chunkKeys(before.snapshot)])
    })
  }

  /** Writes all chunks but the last, which goes with the state that names them. */
  async #stage({ meta, data }: Snapshot): Promise<{ stored: records.StoredSnapshot; lastChunk: Change[] }> {
    const { chunkBytes } = this.#pieces
    const number = this.#nextSnapshotNumber++
    const chunkCount = Math.ceil(data.length / chunkBytes)
    const changeOf = (chunk: number): Change => {
      const key = records.chunkKey(number, chunk)
      return { key, value: records.encodeChunk(key, data.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)) }
    }
    for (let chunk = 0; chunk < chunkCount - 1; chunk++) await this.#commits.add([changeOf(chunk)], null)
    const lastChunk = chunkCount === 0 ? [] : [changeOf(chunkCount - 1)]
    return { stored: { meta, sizeBytes: data.length, number, chunkCount }, lastChunk }
  }

  #removeLater(keys: Iterable<Uint8Array>): void {
    const removing = this.#inTurn(async () => {
      let piece: Change[] = []
      for (const key of keys) {
        piece.push({ key, value: null })
        if (piece.length < this.#pieces.removals) continue
        await this.#commits.add(piece, null)
        piece = []
      }
      if (piece.length > 0) await this.#commits.add(piece, null)
    })
    // A failure is known to the queue, and with it to the next who writes.
    removing.catch(() => {})
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(run)
    this.#lastTurn = turn.catch(() => {})
    return turn
  }

  #writableState(): records.StoredState {
    if (this.#commits.failure !== null) throw this.#commits.failure
    if (this.#closing !== null) throw this.#closedError()
    assert(this.#state !== null, 'the storage is loaded before it is written')
    return this.#state
  }

  #closedError(): StorageError {
    return new StorageError(this.#store.where, 'the storage is closed')
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (let turn: Promise<void> | null = null; turn !== this.#lastTurn; await turn) turn = this.#lastTurn
    // At rest the last two commits say the same. One damaged bit, in the transaction number of the newest meta page, can
    // make LMDB start from the commit before, as after a crash just before the last one; so that must not matter.
    // Whoever wrote knows of a failure, so here it is no news.
    if (this.#state !== null) await this.#commits.add([], this.#state).catch(() => {})
    // After a failure LMDB's writer may hold its locks for ever: closing would hang, and the process is about to end.
    if (this.#commits.failure === null) await this.#store.close()
  }
}

const isSame = (a: HardState, b: HardState): boolean => a.term === b.term && a.votedFor === b.votedFor

const removalsOf = (keys: readonly Uint8Array[]): Change[] => keys.map(key => ({ key, value: null }))

function chunkKeys(snapshot: records.StoredSnapshot | null): Uint8Array[] {
  if (snapshot === null) return []
  return Array.from({ length: snapshot.chunkCount }, (_, chunk) => records.chunkKey(snapshot.number, chunk))
}
