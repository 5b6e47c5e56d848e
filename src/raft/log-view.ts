/**
 * The log as the core sees it: every entry after `baseIndex`, in memory, whether on disk yet or not, and the cursors
 * over it.
 *
 *     baseIndex ≤ appliedIndex ≤ commitIndex ≤ lastIndex      appliedIndex ≤ persistedIndex ≤ lastIndex
 *
 * While a received snapshot is on its way to disk, `appliedIndex` is below `baseIndex`; nothing is applied then.
 * Sizes are kept as a running sum, so that every byte count is a difference of two of them and cannot leak.
 */
import { assert, assertAtMost, assertLess } from '../util/assert.ts'
import { type LogIndex, type Term, toLogIndex, toTerm } from '../util/numbers.ts'
import type { Entry } from './types.ts'

/** What an entry costs beside its data, roughly: index, term, kind. */
const entryOverheadBytes = 24

export class LogView {
  #baseIndex: number
  #baseTerm: Term
  #entries: Entry[]
  /** `#bytesEnd[i]`: bytes of all entries up to and including `#entries[i]`, since this view began. */
  #bytesEnd: number[] = []
  #baseBytes = 0
  #persistedIndex: number
  #commitIndex: number
  #appliedIndex: number
  /** Inclusive: handed to the disk, durable or not. */
  #handedIndex: number
  #truncateFrom: LogIndex | null = null

  /** `entries` are on disk, dense, after `baseIndex`; what is up to `baseIndex` is committed and applied. */
  constructor(baseIndex: LogIndex, baseTerm: Term, entries: readonly Entry[]) {
    this.#baseIndex = baseIndex
    this.#baseTerm = baseTerm
    this.#entries = []
    for (const entry of entries) this.#push(entry)
    this.#persistedIndex = this.lastIndex
    this.#handedIndex = this.lastIndex
    this.#commitIndex = baseIndex
    this.#appliedIndex = baseIndex
  }

  /** The entry before the first one held; its term is known, its data is not. */
  get baseIndex(): LogIndex {
    return toLogIndex(this.#baseIndex)
  }

  get lastIndex(): LogIndex {
    return toLogIndex(this.#baseIndex + this.#entries.length)
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#baseTerm
  }

  /** Inclusive. On this server's disk. */
  get persistedIndex(): LogIndex {
    return toLogIndex(this.#persistedIndex)
  }

  /** Inclusive. Never goes back. */
  get commitIndex(): LogIndex {
    return toLogIndex(this.#commitIndex)
  }

  /** Inclusive. Handed to the state machine. Never goes back. */
  get appliedIndex(): LogIndex {
    return toLogIndex(this.#appliedIndex)
  }

  /** Of a leader: bytes proposed and not committed. */
  get uncommittedBytes(): number {
    return this.bytesBetween(this.commitIndex, this.lastIndex)
  }

  /** `null` below the base and above the end: unknown. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#baseIndex) return this.#baseTerm
    return this.#entries[index - this.#baseIndex - 1]?.term ?? null
  }

  hasEntry(index: LogIndex, term: Term): boolean {
    return this.termAt(index) === term
  }

  /** Bytes of the entries in (`from`, `to`]. */
  bytesBetween(from: LogIndex, to: LogIndex): number {
    return this.#bytesUpTo(to) - this.#bytesUpTo(from)
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'appended entry is the next one')
    assertAtMost(this.lastTerm, entry.term, 'terms never fall along the log')
    this.#push(entry)
  }

  /** Removes `from` and everything after it. */
  truncate(from: LogIndex): void {
    assertLess(this.#commitIndex, from, 'never truncate what is committed')
    assertAtMost(from, this.lastIndex, 'truncate inside the log')
    this.#entries.length = from - this.#baseIndex - 1
    this.#bytesEnd.length = this.#entries.length
    this.#persistedIndex = Math.min(this.#persistedIndex, from - 1)
    if (from <= this.#handedIndex) {
      this.#truncateFrom = this.#truncateFrom === null || from < this.#truncateFrom ? from : this.#truncateFrom
      this.#handedIndex = from - 1
    }
  }

  /** What the disk has not been given yet; afterwards it counts as handed over. */
  takeUnwritten(): { truncateFrom: LogIndex | null; entries: readonly Entry[] } {
    const taken = {
      truncateFrom: this.#truncateFrom,
      entries: this.#entries.slice(this.#handedIndex - this.#baseIndex),
    }
    this.#truncateFrom = null
    this.#handedIndex = this.lastIndex
    return taken
  }

  get hasUnwritten(): boolean {
    return this.#truncateFrom !== null || this.#handedIndex < this.lastIndex
  }

  persistedUpTo(index: LogIndex): void {
    if (index <= this.#persistedIndex) return
    assertAtMost(index, this.#handedIndex, 'persistedIndex <= handedIndex')
    this.#persistedIndex = index
  }

  commitUpTo(index: LogIndex): void {
    assertAtMost(this.#commitIndex, index, 'commitIndex never goes back')
    assertAtMost(index, this.lastIndex, 'commitIndex <= lastIndex')
    this.#commitIndex = index
  }

  /** The entries to apply next: committed and (`durableOnly`) on this disk. They count as applied from here on. */
  takeCommitted(durableOnly = true): readonly Entry[] {
    const end = durableOnly ? Math.min(this.#commitIndex, this.#persistedIndex) : this.#commitIndex
    // A received snapshot is not restored yet: what follows it must wait.
    if (end <= this.#appliedIndex || this.#appliedIndex < this.#baseIndex) return []
    const entries = this.#entries.slice(this.#appliedIndex - this.#baseIndex, end - this.#baseIndex)
    this.#appliedIndex = end
    return entries
  }

  /** Entries from `from` on, up to `bytesMax` but at least one if there is one. */
  slice(from: LogIndex, bytesMax: number): readonly Entry[] {
    const start = from - this.#baseIndex - 1
    assert(start >= 0, 'slice starts above the base')
    const bytesBefore = start === 0 ? this.#baseBytes : this.#bytesEnd[start - 1]!
    let end = start
    while (end < this.#entries.length && (end === start || this.#bytesEnd[end]! - bytesBefore <= bytesMax)) end++
    return start === end ? [] : this.#entries.slice(start, end)
  }

  /** The first index whose term is at least `term`: terms never fall, so it is a binary search. */
  firstIndexOfTerm(term: Term): LogIndex {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.term < term) low = middle + 1
      else high = middle
    }
    return toLogIndex(this.#baseIndex + 1 + low)
  }

  /** Forgets the entries up to and including `index`, which a saved snapshot covers. */
  compactTo(index: LogIndex): void {
    if (index <= this.#baseIndex) return
    assertAtMost(index, this.#appliedIndex, 'only what is applied is forgotten')
    const term = this.termAt(index)!
    const bytes = this.#bytesUpTo(index)
    this.#entries = this.#entries.slice(index - this.#baseIndex)
    this.#bytesEnd = this.#bytesEnd.slice(index - this.#baseIndex)
    this.#baseIndex = index
    this.#baseTerm = term
    this.#baseBytes = bytes
  }

  /** Replaces everything by a received snapshot, which is not on disk yet and therefore not applied. */
  replaceBySnapshot(index: LogIndex, term: Term): void {
    assertLess(this.#commitIndex, index, 'a snapshot never moves the state backwards')
    // Nothing of the old log counts any more; what was committed is part of the snapshot.
    this.#persistedIndex = Math.min(this.#persistedIndex, this.#commitIndex)
    this.#entries = []
    this.#bytesEnd = []
    this.#baseBytes = 0
    this.#baseIndex = index
    this.#baseTerm = term
    this.#commitIndex = index
    this.#handedIndex = index
    this.#truncateFrom = null
  }

  /** The received snapshot is durable and the state machine is about to be replaced by it. */
  snapshotRestored(index: LogIndex): void {
    assertAtMost(this.#appliedIndex, index, 'appliedIndex never goes back')
    this.#appliedIndex = index
  }

  #push(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'the log is dense')
    this.#bytesEnd.push((this.#bytesEnd.at(-1) ?? this.#baseBytes) + entry.data.length + entryOverheadBytes)
    this.#entries.push(entry)
  }

  #bytesUpTo(index: LogIndex): number {
    return index <= this.#baseIndex ? this.#baseBytes : this.#bytesEnd[index - this.#baseIndex - 1]!
  }
}

/** Before the first entry. */
export const noIndex = toLogIndex(0)
export const noTerm = toTerm(0)
