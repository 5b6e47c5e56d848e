import type { LogIndex } from '../util/numbers.ts'
import type { Entry, HardState, Snapshot } from './types.ts'

/** What survived: read once, at start. */
export interface LoadedState {
  readonly hardState: HardState
  /** The newest complete snapshot, verified. */
  readonly snapshot: Snapshot | null
  /** Every entry after the snapshot, dense and verified, in order. */
  readonly entries: readonly Entry[]
}

/** One atomic write. Order inside: truncate, then append, then hard state; all of it or nothing is there after a crash. */
export interface PersistBatch {
  readonly hardState: HardState | null
  /** Remove this entry and all after it, before appending. */
  readonly truncateFrom: LogIndex | null
  readonly entries: readonly Entry[]
}

/**
 * Stable storage of one Raft server, as a port. Contract, kept by every implementation and checked by
 * `test/contract/raft-storage.ts`:
 *
 * - A promise resolves only when what it stands for survives power loss. Those of `persist` resolve in the order of the
 *   calls; `saveSnapshot` goes on beside them and takes its time.
 * - A rejection (`StorageError`) means *unknown*, not *undone*: the caller stops the process and never retries.
 * - No promise stays pending for ever: past the deadline it rejects.
 * - Damage found while opening or loading is a `CorruptionError` naming the place; nothing damaged is ever returned.
 */
export interface RaftStorage extends AsyncDisposable {
  /** A UUID made when the storage was created: who finds another one under a known name knows that the disk was lost. */
  readonly diskId: string
  load(): Promise<LoadedState>
  persist(batch: PersistBatch): Promise<void>
  /**
   * Stores the snapshot, and then removes the entries it covers up to `discardUpTo` (inclusive), which count no more from
   * the moment it resolves. `snapshot.data` stays as it is until then. One older than the snapshot that is there, which
   * the leader may have sent meanwhile, changes nothing.
   */
  saveSnapshot(snapshot: Snapshot, discardUpTo: LogIndex): Promise<void>
  /**
   * Replaces log, snapshot and hard state by what the leader sent, all of it or nothing. Nothing of the old log is kept: a
   * server whose log already agrees with the snapshot does not install it (section 7). Until it resolves `snapshot.data`
   * stays as it is, and `persist` is not called: it would write to a log that is being replaced.
   */
  installSnapshot(snapshot: Snapshot, hardState: HardState): Promise<void>
}
