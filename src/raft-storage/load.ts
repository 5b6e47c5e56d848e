/**
 * Reads everything back and checks that it is all there: each value by its checksum, the log by its density, and the whole
 * against what the state record says there must be. Nothing damaged is returned.
 *
 * What a save left behind when the process ended in the middle of it is no damage: pieces of a snapshot that the state
 * record does not name, and entries below the range. Neither is ever looked at again, so neither is verified.
 */
import type { LoadedState } from '../raft/storage.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { CorruptionError } from '../util/errors.ts'
import { damaged } from './damage.ts'
import type { KeyValueStore } from './key-value-store.ts'
import * as records from './records.ts'

export interface Loaded {
  readonly state: records.StoredState
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
  return records.withSnapshotNumber(records.decodeJson<records.StoredState>(store.where, records.stateKey, value))
}

function read(store: KeyValueStore): Loaded {
  const { where } = store
  const state = readState(store)
  const { range, snapshot } = state
  const expected = expectedKeys(state)
  const entries: Entry[] = []
  const chunks: Uint8Array[] = []
  const leftovers: Uint8Array[] = []
  let next = expected.next()
  for (const { key, value } of store.getRange()) {
    const place = records.placeOf(key)
    if (place.kind === 'identity' || place.kind === 'state') continue
    if (isLeftover(place, state)) {
      leftovers.push(key)
      continue
    }
    if (next.done) throw damaged(where, `${records.describeKey(key)} should not be there`)
    if (Buffer.compare(key, next.value.key) !== 0)
      throw damaged(where, `${records.describeKey(next.value.key)} is missing`)
    if (next.value.isEntry) entries.push(records.decodeEntry(where, key, value))
    else chunks.push(records.decodeChunk(where, key, value))
    next = expected.next()
  }
  if (!next.done) throw damaged(where, `${records.describeKey(next.value.key)} is missing`)
  const after = entries.filter(entry => entry.index > range.snapshotIndex)
  const loaded = {
    hardState: state.hardState,
    snapshot: snapshot && joinChunks(where, snapshot, chunks),
    entries: after,
  }
  return { state, loaded, leftovers }
}

function isLeftover(place: records.Place, { range, snapshot }: records.StoredState): boolean {
  if (place.kind === 'entry') return place.index < range.firstIndex
  return place.kind === 'chunk' && place.snapshotNumber !== snapshot?.number
}

/** In the order of the keys. */
function* expectedKeys({
  range,
  snapshot,
}: records.StoredState): Generator<{ key: Buffer; isEntry: boolean }, void, void> {
  for (let index = range.firstIndex; index < range.endIndex; index++)
    yield { key: records.entryKey(index), isEntry: true }
  if (snapshot === null) return
  for (let chunk = 0; chunk < snapshot.chunkCount; chunk++)
    yield { key: records.chunkKey(snapshot.number, chunk), isEntry: false }
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
