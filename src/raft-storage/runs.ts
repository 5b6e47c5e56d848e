/**
 * The log on disk: entries that were written together are one record, because to LMDB a record costs a call, a place in
 * its tree and, among small ones, the pages around it, whatever is in it. A run is never changed. Where the log was cut,
 * or a snapshot covers a part, the rest of a run counts for nothing: each run holds the entries from its first index up
 * to the first of the run that was written behind it, or the end of the range.
 *
 *     payload:  previous:8 (first index of the run before it, 0 for none)  count:4   then for each entry
 *               term:8  kind:1  length:4  data
 *
 * By naming the one before it, from the last one, which the state record names, every run that should be there is
 * known: that one is missing shows even where an older one, cut there, still has other entries for its place.
 */
import type { Entry } from '../raft/types.ts'
import { assertLess } from '../util/assert.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { KiB } from '../util/units.ts'
import { damaged } from './damage.ts'
import type { Change } from './key-value-store.ts'
import { beginSeal, describeKey, endSeal, runKey, unseal, writeUint64 } from './records.ts'

export interface Run {
  /** First index of the run before it; 0 for none. */
  readonly previous: number
  /** Dense. */
  readonly entries: readonly Entry[]
}

/** LMDB looks for so much free space in one piece. A larger entry is a run of its own. */
const runBytesMax = 256 * KiB

const kinds = ['data', 'noop', 'configuration'] as const
const headBytes = 8 + 4
const entryHeadBytes = 8 + 1 + 4
/** Checksum, length of the key, key. */
const sealBytes = 4 + 1 + 9

/** Which runs the log is in: the first index of each. */
export class RunIndex {
  /** Ascending. */
  readonly #firsts: number[]

  constructor(firsts: readonly number[] = []) {
    this.#firsts = [...firsts]
  }

  /** 0 for none. */
  get last(): number {
    return this.#firsts.at(-1) ?? 0
  }

  /** Writes `entries`, which follow the log, as runs behind the last one. */
  append(entries: readonly Entry[]): Change[] {
    return splitRuns(entries).map(run => {
      const firstIndex = run[0]!.index
      assertLess(this.last, firstIndex, 'runs follow each other')
      const change = encodeRun(run, this.last)
      this.#firsts.push(firstIndex)
      return change
    })
  }

  /** Forgets the runs that begin at `from` or behind it; returns their keys. */
  truncate(from: number): Uint8Array[] {
    let kept = this.#firsts.length
    while (kept > 0 && this.#firsts[kept - 1]! >= from) kept--
    return this.#firsts.splice(kept).map(runKey)
  }

  /** Forgets the runs of which nothing at `firstIndex` or behind it counts; returns their keys. */
  discard(firstIndex: number, endIndex: number): Uint8Array[] {
    const firsts = this.#firsts
    let count = 0
    while (count < firsts.length && (firsts[count + 1] ?? endIndex) <= firstIndex) count++
    return firsts.splice(0, count).map(runKey)
  }
}

/** Throws `CorruptionError`. The data of the entries is memory of their own. */
export function decodeRun(where: string, key: Uint8Array, value: Uint8Array): Run {
  const payload = unseal(where, key, value)
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const tooShort = () => damaged(`${where}, ${describeKey(key)}`, 'shorter than it says')
  if (payload.length < headBytes) throw tooShort()
  const firstIndex = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1))
  const count = view.getUint32(8)
  const entries: Entry[] = []
  let at = headBytes
  for (let i = 0; i < count; i++) {
    if (at + entryHeadBytes > payload.length) throw tooShort()
    const kind = kinds[payload[at + 8]!]
    if (kind === undefined) throw damaged(`${where}, ${describeKey(key)}`, 'not entries')
    const end = at + entryHeadBytes + view.getUint32(at + 9)
    if (end > payload.length) throw tooShort()
    const data = Uint8Array.from(payload.subarray(at + entryHeadBytes, end))
    entries.push({ index: toLogIndex(firstIndex + i), term: toTerm(Number(view.getBigUint64(at))), kind, data })
    at = end
  }
  return { previous: Number(view.getBigUint64(0)), entries }
}

function splitRuns(entries: readonly Entry[]): (readonly Entry[])[] {
  const runs: (readonly Entry[])[] = []
  let from = 0
  let bytes = 0
  for (let i = 0; i < entries.length; i++) {
    const entryBytes = entries[i]!.data.length
    if (i > from && bytes + entryBytes > runBytesMax) {
      runs.push(entries.slice(from, i))
      from = i
      bytes = 0
    }
    bytes += entryBytes
  }
  if (from < entries.length) runs.push(from === 0 ? entries : entries.slice(from))
  return runs
}

function encodeRun(entries: readonly Entry[], previous: number): Change {
  let sizeBytes = sealBytes + headBytes + entries.length * entryHeadBytes
  for (let i = 0; i < entries.length; i++) sizeBytes += entries[i]!.data.length
  const key = runKey(entries[0]!.index)
  const value = Buffer.allocUnsafeSlow(sizeBytes)
  let at = beginSeal(value, key)
  writeUint64(value, previous, at)
  value.writeUInt32BE(entries.length, at + 8)
  at += headBytes
  for (let i = 0; i < entries.length; i++) {
    const { term, kind, data } = entries[i]!
    writeUint64(value, term, at)
    value[at + 8] = kinds.indexOf(kind)
    value.writeUInt32BE(data.length, at + 9)
    value.set(data, at + entryHeadBytes)
    at += entryHeadBytes + data.length
  }
  endSeal(value)
  return { key, value }
}
