/**
 * The in-memory twin of the LMDB store: for nodes that keep nothing, and for tests. What was written lives in a
 * `MemoryStorageImage`; a new storage on the same image is a restarted server.
 */
import { randomBytes } from 'node:crypto'
import type { LoadedState, PersistBatch, RaftStorage } from '../raft/storage.ts'
import type { Entry, HardState, Snapshot } from '../raft/types.ts'
import { assert } from '../util/assert.ts'
import { StorageError } from '../util/errors.ts'
import { type LogIndex, toTerm } from '../util/numbers.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import {
  emptyRange,
  isSuperseded,
  type LogRange,
  rangeAfterInstall,
  rangeAfterPersist,
  rangeAfterSnapshot,
} from './log-range.ts'

/** The "disk" of one server. Survives the storage that writes it. */
export class MemoryStorageImage {
  readonly diskId: string
  hardState: HardState = { term: toTerm(0), votedFor: null }
  snapshot: Snapshot | null = null
  /** Entries of `range`, in order. */
  entries: Entry[] = []
  range: LogRange = emptyRange

  constructor(diskId: string = uuidFrom(randomBytes(uuidBytes))) {
    this.diskId = diskId
  }
}

const where = 'memory'

export function memoryStorage(image: MemoryStorageImage = new MemoryStorageImage()): RaftStorage {
  let isLoaded = false
  let isClosed = false
  const writable = (): void => {
    if (isClosed) throw new StorageError(where, 'the storage is closed')
    assert(isLoaded, 'the storage is loaded before it is written')
  }
  return {
    diskId: image.diskId,
    async load(): Promise<LoadedState> {
      if (isClosed) throw new StorageError(where, 'the storage is closed')
      isLoaded = true
      const after = image.entries.filter(entry => entry.index > image.range.snapshotIndex)
      const snapshot = image.snapshot && copySnapshot(image.snapshot)
      return { hardState: { ...image.hardState }, snapshot, entries: after.map(copyEntry) }
    },
    async persist(batch: PersistBatch): Promise<void> {
      writable()
      image.range = rangeAfterPersist(image.range, batch)
      if (batch.truncateFrom !== null) image.entries = image.entries.filter(e => e.index < batch.truncateFrom!)
      for (const entry of batch.entries) image.entries.push(copyEntry(entry))
      if (batch.hardState !== null) image.hardState = { ...batch.hardState }
    },
    async saveSnapshot(snapshot: Snapshot, discardUpTo: LogIndex): Promise<void> {
      writable()
      if (isSuperseded(image.range, snapshot.meta)) return
      image.range = rangeAfterSnapshot(image.range, snapshot.meta, discardUpTo)
      image.snapshot = copySnapshot(snapshot)
      image.entries = image.entries.filter(entry => entry.index > discardUpTo)
    },
    async installSnapshot(snapshot: Snapshot, hardState: HardState): Promise<void> {
      writable()
      image.range = rangeAfterInstall(image.range, snapshot.meta)
      image.snapshot = copySnapshot(snapshot)
      image.entries = []
      image.hardState = { ...hardState }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      isClosed = true
    },
  }
}

// A disk keeps the bytes as they were: neither side may see the other's later changes.
const copyEntry = (entry: Entry): Entry => ({ ...entry, data: entry.data.slice() })
const copySnapshot = (snapshot: Snapshot): Snapshot => ({
  meta: structuredClone(snapshot.meta),
  data: snapshot.data.slice(),
})
