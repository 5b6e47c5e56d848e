/**
 * Data of earlier formats, made into today's in one commit:
 *
 * - 1 had no disk id, and a snapshot's chunks, of 1 MiB, under its index.
 * - 2 had each entry in a record of its own: `e index:8`, with the payload `term:8 kind:1 data`.
 */
import type { Entry } from '../raft/types.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { MiB } from '../util/units.ts'
import { damaged } from './damage.ts'
import type { Change, KeyValueStore } from './key-value-store.ts'
import { readState } from './load.ts'
import * as records from './records.ts'
import { RunIndex } from './runs.ts'

const kinds = ['data', 'noop', 'configuration'] as const
const entryHeadBytes = 8 + 1

/** What makes `store` one of today's format, all but its identity. Throws `CorruptionError`. */
export function upgrade(store: KeyValueStore): { changes: readonly Change[]; state: records.StoredState } {
  const state = withSnapshotNumber(readState(store))
  const { firstIndex, endIndex } = state.range
  const entries: Entry[] = []
  const removals: Change[] = []
  for (const { key, value } of store.getRange()) {
    const place = records.placeOf(key)
    if (place.kind !== 'run') continue
    removals.push({ key, value: null })
    const index = place.firstIndex
    // What an unfinished save left.
    if (index < firstIndex) continue
    if (index !== firstIndex + entries.length || index >= endIndex)
      throw damaged(store.where, `entry ${index} is not where the log goes on`)
    entries.push(decodeEntry(store.where, index, key, value))
  }
  if (firstIndex + entries.length !== endIndex)
    throw damaged(store.where, `entry ${firstIndex + entries.length} is missing`)
  const runs = new RunIndex()
  const written = runs.append(entries)
  return { changes: [...removals, ...written], state: { ...state, lastRun: runs.last } }
}

function withSnapshotNumber(state: records.StoredState): records.StoredState {
  const { snapshot } = state
  if (snapshot === null) return state
  const inFormat1 = { number: snapshot.meta.index, chunkCount: Math.ceil(snapshot.sizeBytes / MiB) }
  return { ...state, snapshot: { ...inFormat1, ...snapshot } }
}

function decodeEntry(where: string, index: number, key: Uint8Array, value: Uint8Array): Entry {
  const payload = Buffer.from(records.unseal(where, key, value))
  const kind = kinds[payload[entryHeadBytes - 1] ?? kinds.length]
  if (kind === undefined) throw damaged(where, `entry ${index} is none`)
  const data = Uint8Array.from(payload.subarray(entryHeadBytes))
  return { index: toLogIndex(index), term: toTerm(Number(payload.readBigUInt64BE())), kind, data }
}
