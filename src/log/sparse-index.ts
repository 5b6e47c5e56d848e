/**
 * One index file of a segment, in Kafka's layout: sorted entries of a key and a 32-bit value, big endian. Offset index:
 * relative offset:int32 → position:int32. Time index: timestamp:int64 → relative offset:int32.
 *
 * New entries wait in memory until a few hundred are worth a write; the rest is searched in the file, so that an idle
 * partition costs no memory. An index is derived data: it needs no sync before an acknowledgement, and every entry that
 * is used is compared with the batch it names.
 */
import { readInt64, writeInt64 } from '../protocol/batch/header.ts'
import { assert, assertLess } from '../util/assert.ts'
import type { FilePool } from './file-pool.ts'

export interface IndexEntry {
  readonly key: number
  readonly value: number
}

/** Entries waiting in memory before they are written. */
const pendingEntriesMax = 256
/** A file range this small is read whole instead of being halved further. */
const searchEntries = 64

export class SparseIndex {
  readonly path: string
  readonly entryBytes: 8 | 12
  readonly #files: FilePool
  #fileEntries: number
  /** Keys and values alternate. */
  #pending: number[] = []
  /** The file may hold something that is not on disk yet. */
  isDirty = false

  constructor(files: FilePool, path: string, kind: 'offset' | 'time', fileBytes: number) {
    this.#files = files
    this.path = path
    this.entryBytes = kind === 'offset' ? 8 : 12
    this.#fileEntries = Math.floor(fileBytes / this.entryBytes)
  }

  get entryCount(): number {
    return this.#fileEntries + this.#pending.length / 2
  }

  /** Enough is waiting to be worth a write. */
  get shouldSpill(): boolean {
    return this.#pending.length >= 2 * pendingEntriesMax
  }

  append(key: number, value: number): void {
    this.#pending.push(key, value)
  }

  /** Writes what waits in memory. On failure it goes on waiting. */
  spill(): void {
    if (this.#pending.length === 0) return
    const bytes = encodeEntries(this.#pending, this.entryBytes)
    this.#files.use(this.path, { create: true }).write([bytes], this.#fileEntries * this.entryBytes)
    this.#fileEntries += this.#pending.length / 2
    this.#pending = []
    this.isDirty = true
  }

  entry(at: number): IndexEntry {
    assertLess(at, this.entryCount, 'index entry exists')
    const inPending = (at - this.#fileEntries) * 2
    if (inPending >= 0) return { key: this.#pending[inPending]!, value: this.#pending[inPending + 1]! }
    return this.#readEntries(at, 1)[0]!
  }

  get lastEntry(): IndexEntry | null {
    return this.entryCount === 0 ? null : this.entry(this.entryCount - 1)
  }

  /** Number of the last entry whose key is at most `key`; -1 for none. */
  floor(key: number): number {
    const first = this.#pending[0]
    if (first !== undefined && first <= key) {
      return this.#fileEntries + lastAtMost(this.#pending.length / 2, at => this.#pending[at * 2]!, key)
    }
    let low = 0
    let high = this.#fileEntries
    while (high - low > searchEntries) {
      const middle = (low + high) >> 1
      if (this.#readEntries(middle, 1)[0]!.key <= key) low = middle
      else high = middle
    }
    const entries = this.#readEntries(low, high - low)
    return low + lastAtMost(entries.length, at => entries[at]!.key, key)
  }

  /** How many entries have a value below `limit`: values rise as keys do. */
  countBelow(limit: number): number {
    let low = 0
    let high = this.entryCount
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.entry(middle).value < limit) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Keeps the first `count` entries. */
  truncate(count: number): void {
    if (count >= this.entryCount) return
    this.#pending.length = Math.max(0, count - this.#fileEntries) * 2
    if (count >= this.#fileEntries) return
    this.#fileEntries = count
    this.#files.use(this.path, { create: true }).truncate(count * this.entryBytes)
    this.isDirty = true
  }

  /** The longest prefix of the file that can be an index at all: keys rise strictly, values do and stay below `limit`. */
  soundPrefix(limit: number): number {
    let previous: IndexEntry = { key: -1, value: -1 }
    for (let from = 0; from < this.#fileEntries; from += 4096) {
      const entries = this.#readEntries(from, Math.min(4096, this.#fileEntries - from))
      for (const [at, entry] of entries.entries()) {
        if (entry.key <= previous.key || entry.value <= previous.value || entry.value >= limit) return from + at
        previous = entry
      }
    }
    return this.#fileEntries
  }

  #readEntries(from: number, count: number): IndexEntry[] {
    if (count === 0) return []
    const bytes = new Uint8Array(count * this.entryBytes)
    const found = this.#files.use(this.path).readSync(bytes, from * this.entryBytes)
    assert(found === bytes.length, 'index file is as long as it was when it was opened')
    return decodeEntries(bytes, this.entryBytes)
  }
}

export function decodeEntries(bytes: Uint8Array, entryBytes: 8 | 12): IndexEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries: IndexEntry[] = []
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    const key = entryBytes === 8 ? view.getInt32(at) : readInt64(view, at)
    entries.push({ key, value: view.getInt32(at + entryBytes - 4) })
  }
  return entries
}

function encodeEntries(pairs: readonly number[], entryBytes: 8 | 12): Uint8Array {
  const bytes = new Uint8Array((pairs.length / 2) * entryBytes)
  const view = new DataView(bytes.buffer)
  for (let pair = 0, at = 0; pair < pairs.length; pair += 2, at += entryBytes) {
    if (entryBytes === 8) view.setInt32(at, pairs[pair]!)
    else writeInt64(view, at, pairs[pair]!)
    view.setInt32(at + entryBytes - 4, pairs[pair + 1]!)
  }
  return bytes
}

function lastAtMost(count: number, keyAt: (at: number) => number, key: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (keyAt(middle) <= key) low = middle + 1
    else high = middle
  }
  return low - 1
}
