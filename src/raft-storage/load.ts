/**
 * Reads everything back and checks that it is all there: each value by its checksum, the log from its end to its beginning,
 * and the whole against what the state record says there must be. Nothing damaged is returned.
 *
 * What a save left behind when the process ended in the middle of it is no damage: pieces of a snapshot that the state
 * record does not name, and runs of entries that begin below the range and are no part of it. Neither is ever looked at again, so neither is verified.
 */
import type { LoadedState } from '../raft/storage.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { CorruptionError } from '../util/errors.ts'
import { damaged } from './damage.ts'
import type { KeyValueStore, Pair } from './key-value-store.ts'
import * as records from './records.ts'
import { decodeRun, RunIndex } from './runs.ts'

export interface Loaded {
  readonly state: records.StoredState
  readonly runs: RunIndex
  readonly loaded: LoadedState
  /** Keys of what is not needed any more. */
  readonly leftovers: readonly Uint8Array[]
}

/** Throws `CorruptionError`, also for what the store itself stumbles over. */
export function readAll(store: KeyValueStore): Loaded {
  try {
    return read(store)
  } catch (error) {
    if (error instanceof CorruptionError) throw error
    throw damaged(store.where, (error as Error).message, error)
  }
}

/** The identity record, checked. */
export function readIdentity(store: KeyValueStore): records.Identity {
  const value = store.get(records.identityKey)
  if (value === undefined) throw damaged(store.where, 'has no identity record')
  return records.decodeJson<records.Identity>(store.where, records.identityKey, value)
}

/** The state record, checked. */
export function readState(store: KeyValueStore): records.StoredState {
  const value = store.get(records.stateKey)
  if (value === undefined) throw damaged(store.where, 'has no state record')
  return records.decodeJson<records.StoredState>(store.where, records.stateKey, value)
}

function read(store: KeyValueStore): Loaded {
  const { where } = store
  const state = readState(store)
  const { hardState, range, snapshot } = state
  const { runs, chunks, leftovers } = sort(store, state)
  const { firsts, entries } = readRuns(where, state, runs)
  const isPart = new Set(firsts)
  for (const [firstIndex, { key }] of runs) {
    if (isPart.has(firstIndex)) continue
    if (firstIndex >= range.firstIndex) throw damaged(where, `${records.describeKey(key)} should not be there`)
    leftovers.push(key)
  }
  const loaded = {
    hardState,
    snapshot: snapshot && joinChunks(where, snapshot, chunks),
    entries: entries.filter(entry => entry.index > range.snapshotIndex),
  }
  return { state, runs: new RunIndex(firsts), loaded, leftovers }
}

interface Sorted {
  /** By first index. */
  readonly runs: ReadonlyMap<number, Pair>
  /** Of the snapshot that counts; all of them, verified. */
  readonly chunks: readonly Uint8Array[]
  readonly leftovers: Uint8Array[]
}

function sort(store: KeyValueStore, { snapshot }: records.StoredState): Sorted {
  const { where } = store
  const runs = new Map<number, Pair>()
  const chunks: Uint8Array[] = []
  const leftovers: Uint8Array[] = []
  for (const pair of store.getRange()) {
    const place = records.placeOf(pair.key)
    switch (place.kind) {
      case 'identity':
      case 'state':
        break
      case 'run':
        runs.set(place.firstIndex, pair)
        break
      case 'chunk':
        if (place.snapshotNumber !== snapshot?.number) leftovers.push(pair.key)
        else if (place.chunk !== chunks.length) throw missingChunk(where, snapshot, chunks.length)
        else chunks.push(records.decodeChunk(where, pair.key, pair.value))
        break
      case 'unknown':
        throw damaged(where, `${records.describeKey(pair.key)} should not be there`)
    }
  }
  if (snapshot !== null && chunks.length !== snapshot.chunkCount) throw missingChunk(where, snapshot, chunks.length)
  return { runs, chunks, leftovers }
}

function missingChunk(where: string, { number }: records.StoredSnapshot, chunk: number): CorruptionError {
  return damaged(where, `${records.describeKey(records.chunkKey(number, chunk))} is missing`)
}

/** The runs that the range is made of, and the entries of the range, each ascending. */
function readRuns(
  where: string,
  { range, lastRun }: records.StoredState,
  runs: ReadonlyMap<number, Pair>,
): { firsts: readonly number[]; entries: readonly Entry[] } {
  const firsts: number[] = []
  const parts: (readonly Entry[])[] = []
  let firstIndex = lastRun
  for (let endIndex: number = range.endIndex; endIndex > range.firstIndex; ) {
    const pair = runs.get(firstIndex)
    if (pair === undefined) throw damaged(where, `${records.describeKey(records.runKey(firstIndex))} is missing`)
    const { previous, entries } = decodeRun(where, pair.key, pair.value)
    if (firstIndex >= endIndex || firstIndex + entries.length < endIndex)
      throw damaged(where, `${records.describeKey(pair.key)} does not reach to ${endIndex}`)
    firsts.push(firstIndex)
    parts.push(entries.slice(Math.max(0, range.firstIndex - firstIndex), endIndex - firstIndex))
    endIndex = firstIndex
    firstIndex = previous
  }
  return { firsts: firsts.reverse(), entries: parts.reverse().flat() }
}

function joinChunks(where: string, snapshot: records.StoredSnapshot, chunks: readonly Uint8Array[]): Snapshot {
  const data = new Uint8Array(snapshot.sizeBytes)
  let at = 0
  for (const chunk of chunks) {
    if (at + chunk.length > data.length) throw damaged(where, 'the snapshot is longer than it says')
    data.set(chunk, at)
    at += chunk.length
  }
  if (at !== data.length) throw damaged(where, 'the snapshot is shorter than it says')
  return { meta: snapshot.meta, data }
}
