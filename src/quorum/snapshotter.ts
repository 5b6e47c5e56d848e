/** When a snapshot is due, and the newest one that is on disk, to be sent to whoever needs it. */
import type { RaftStorage } from '../raft/storage.ts'
import type { Entry, Snapshot, SnapshotMeta } from '../raft/types.ts'
import { type LogIndex, toLogIndex } from '../util/numbers.ts'
import type { SnapshotPolicy } from './options.ts'

export class Snapshotter {
  readonly #policy: SnapshotPolicy
  readonly #storage: RaftStorage
  #saved: Snapshot | null
  #appliedEntries = 0
  #appliedBytes = 0
  #isSaving = false

  constructor(policy: SnapshotPolicy, storage: RaftStorage, loaded: Snapshot | null) {
    this.#policy = policy
    this.#storage = storage
    this.#saved = loaded
  }

  /** The newest one on this server's disk. */
  get saved(): Snapshot | null {
    return this.#saved
  }

  get isSaving(): boolean {
    return this.#isSaving
  }

  /** Counts what was applied; true when a snapshot is due. */
  applied(entries: readonly Entry[]): boolean {
    this.#appliedEntries += entries.length
    for (const entry of entries) this.#appliedBytes += entry.data.length
    const { entriesMax, bytesMax } = this.#policy
    return !this.#isSaving && (this.#appliedEntries >= entriesMax || this.#appliedBytes >= bytesMax)
  }

  /** Resolves, when the snapshot is durable, with the last index that left the log. */
  async save(meta: SnapshotMeta, data: Uint8Array): Promise<LogIndex> {
    const snapshot = { meta, data }
    const discardUpTo = toLogIndex(Math.max(0, meta.index - this.#policy.retainedEntries))
    this.#begin()
    await this.#storage.saveSnapshot(snapshot, discardUpTo)
    this.#isSaving = false
    // One received from the leader meanwhile is newer and stays.
    if (meta.index > (this.#saved?.meta.index ?? 0)) this.#saved = snapshot
    return discardUpTo
  }

  /** One from the leader is durable and restored. */
  installed(snapshot: Snapshot): void {
    this.#saved = snapshot
    this.#appliedEntries = 0
    this.#appliedBytes = 0
  }

  #begin(): void {
    this.#isSaving = true
    this.#appliedEntries = 0
    this.#appliedBytes = 0
  }
}
