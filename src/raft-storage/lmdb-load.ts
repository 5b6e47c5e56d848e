/**
 * Reads everything back and checks that it is all there: each value by its checksum, the log by its density, and the whole
 * against what the state record says there must be. Nothing damaged is returned.
 */
import type { RootDatabase } from 'lmdb'
import type { LoadedState } from '../raft/storage.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import { CorruptionError } from '../util/errors.ts'
import * as records from './records.ts'

interface Loaded {
  readonly state: records.StoredState
  readonly loaded: LoadedState
}

/** Throws `CorruptionError`, also for what LMDB itself stumbles over. */
export function readAll(database: RootDatabase<Buffer, Buffer>, dataFile: string): Loaded {
  try {
    return read(database, dataFile)
  } catch (error) {
    if (error instanceof CorruptionError) throw error
    throw new CorruptionError(dataFile, (error as Error).message, { cause: error })
  }
}

function read(database: RootDatabase<Buffer, Buffer>, dataFile: string): Loaded {
  const stateValue = database.get(records.stateKey)
  if (stateValue === undefined) throw new CorruptionError(dataFile, 'has no state record')
  const state = records.decodeJson<records.StoredState>(dataFile, records.stateKey, stateValue)
  const { range, snapshot } = state
  const expected = expectedKeys(state)
  const entries: Entry[] = []
  const chunks: Uint8Array[] = []
  let next = expected.next()
  for (const { key, value } of database.getRange({ start: Buffer.of(0) })) {
    if (Buffer.compare(key, records.identityKey) === 0 || Buffer.compare(key, records.stateKey) === 0) continue
    if (next.done) throw new CorruptionError(dataFile, `${records.describeKey(key)} should not be there`)
    if (Buffer.compare(key, next.value.key) !== 0)
      throw new CorruptionError(dataFile, `${records.describeKey(next.value.key)} is missing`)
    if (next.value.isEntry) entries.push(records.decodeEntry(dataFile, key, value))
    else chunks.push(records.decodeChunk(dataFile, key, value))
    next = expected.next()
  }
  if (!next.done) throw new CorruptionError(dataFile, `${records.describeKey(next.value.key)} is missing`)
  const after = entries.filter(entry => entry.index > range.snapshotIndex)
  return {
    state,
    loaded: {
      hardState: state.hardState,
      snapshot: snapshot && joinChunks(dataFile, snapshot, chunks),
      entries: after,
    },
  }
}

/** In the order of the keys. */
function* expectedKeys(state: records.StoredState): Generator<{ key: Buffer; isEntry: boolean }, void, void> {
  for (let index = state.range.firstIndex; index < state.range.endIndex; index++)
    yield { key: records.entryKey(index), isEntry: true }
  const chunkCount = Math.ceil((state.snapshot?.sizeBytes ?? 0) / records.chunkBytesMax)
  for (let chunk = 0; chunk < chunkCount; chunk++)
    yield { key: records.chunkKey(state.snapshot!.meta.index, chunk), isEntry: false }
}

function joinChunks(
  dataFile: string,
  snapshot: NonNullable<records.StoredState['snapshot']>,
  chunks: readonly Uint8Array[],
): Snapshot {
  const data = new Uint8Array(snapshot.sizeBytes)
  let at = 0
  for (const chunk of chunks) {
    if (at + chunk.length > data.length) throw new CorruptionError(dataFile, 'the snapshot is longer than it says')
    data.set(chunk, at)
    at += chunk.length
  }
  if (at !== data.length) throw new CorruptionError(dataFile, 'the snapshot is shorter than it says')
  return { meta: snapshot.meta, data }
}
