/**
 * What is in the store: keys, values, and their encoding. LMDB has no checksums, so every value carries one, and its own
 * key beside it: a value that is damaged, or whole but in another's place, is found.
 *
 *     value:  crc32c:4 (of all that follows)   keyLength:1   key   payload
 *     keys:   "i"                       identity: format version, node id and disk id, JSON
 *             "m"                       state: hard state, range of the log, description of the snapshot, JSON
 *             "e" index:8               run of entries, of which `index` is the first: see runs.ts
 *             "s" snapshot:8 chunk:4    one chunk of a snapshot's data
 *
 * Numbers are big endian, so keys sort as their numbers do. Each snapshot that is written has a number of its own, so that
 * it can be written in pieces beside the one that counts, which is the one that the state record names.
 */
import type { HardState, SnapshotMeta } from '../raft/types.ts'
import { crc32c } from '../util/crc32c.ts'
import { toTerm } from '../util/numbers.ts'
import { damaged } from './damage.ts'
import type { Change } from './key-value-store.ts'
import { emptyRange, type LogRange } from './log-range.ts'

/** See upgrade.ts for those before. */
export const formatVersion = 3

export interface Identity {
  readonly format: number
  readonly nodeId: number
  /** Absent in format 1. */
  readonly diskId?: string
}

export interface StoredSnapshot {
  readonly meta: SnapshotMeta
  readonly sizeBytes: number
  /** Under which its chunks are. Above that of every snapshot before. */
  readonly number: number
  readonly chunkCount: number
}

/** Written with every change of what it describes: it says what else must be there. */
export interface StoredState {
  readonly hardState: HardState
  readonly range: LogRange
  /** First index of the last run of entries; 0 for none. Says nothing while the range is empty. */
  readonly lastRun: number
  readonly snapshot: StoredSnapshot | null
}

/** What a key stands for. */
export type Place =
  | { readonly kind: 'identity' | 'state' | 'unknown' }
  | { readonly kind: 'run'; readonly firstIndex: number }
  | { readonly kind: 'chunk'; readonly snapshotNumber: number; readonly chunk: number }

const runPrefix = 0x65
const chunkPrefix = 0x73

export const identityKey = Buffer.from('i')
export const stateKey = Buffer.from('m')

export function runKey(firstIndex: number): Buffer {
  const key = Buffer.allocUnsafe(9)
  key[0] = runPrefix
  writeUint64(key, firstIndex, 1)
  return key
}

export function chunkKey(snapshotNumber: number, chunk: number): Buffer {
  const key = Buffer.allocUnsafe(13)
  key[0] = chunkPrefix
  writeUint64(key, snapshotNumber, 1)
  key.writeUInt32BE(chunk, 9)
  return key
}

export function placeOf(key: Uint8Array): Place {
  const view = new DataView(key.buffer, key.byteOffset, key.length)
  if (Buffer.compare(key, identityKey) === 0) return { kind: 'identity' }
  if (Buffer.compare(key, stateKey) === 0) return { kind: 'state' }
  if (key[0] === runPrefix && key.length === 9) return { kind: 'run', firstIndex: Number(view.getBigUint64(1)) }
  if (key[0] === chunkPrefix && key.length === 13)
    return { kind: 'chunk', snapshotNumber: Number(view.getBigUint64(1)), chunk: view.getUint32(9) }
  return { kind: 'unknown' }
}

/** For messages: the key in words. */
export function describeKey(key: Uint8Array): string {
  const place = placeOf(key)
  switch (place.kind) {
    case 'run':
      return `entries from ${place.firstIndex}`
    case 'chunk':
      return `snapshot ${place.snapshotNumber} chunk ${place.chunk}`
    case 'unknown':
      return `key ${Buffer.from(key).toString('hex')}`
    default:
      return place.kind
  }
}

/** What a store begins with: in term 0, without a vote, with an empty log. */
export function initialRecords(nodeId: number, diskId: string): Change[] {
  const state = { hardState: { term: toTerm(0), votedFor: null }, range: emptyRange, lastRun: 0, snapshot: null }
  return [identityRecord(nodeId, diskId), { key: stateKey, value: encodeJson(stateKey, state) }]
}

export function identityRecord(nodeId: number, diskId: string): Change {
  return { key: identityKey, value: encodeJson(identityKey, { format: formatVersion, nodeId, diskId }) }
}

/** Always memory of its own, as what the functions below return: the store reads it after the call returned. */
export function encodeJson(key: Uint8Array, value: Identity | StoredState): Buffer {
  return seal(key, Buffer.from(JSON.stringify(value)))
}

export function encodeChunk(key: Uint8Array, data: Uint8Array): Buffer {
  return seal(key, data)
}

export function decodeJson<T extends Identity | StoredState>(where: string, key: Uint8Array, value: Uint8Array): T {
  return JSON.parse(Buffer.from(unseal(where, key, value)).toString()) as T
}

export function decodeChunk(where: string, key: Uint8Array, value: Uint8Array): Uint8Array {
  return unseal(where, key, value)
}

function seal(key: Uint8Array, payload: Uint8Array): Buffer {
  const value = Buffer.allocUnsafeSlow(5 + key.length + payload.length)
  value.set(payload, beginSeal(value, key))
  endSeal(value)
  return value
}

/** Puts the key into `value`, whose payload follows at the place that is returned; `endSeal` comes when it is written. */
export function beginSeal(value: Buffer, key: Uint8Array): number {
  value[4] = key.length
  value.set(key, 5)
  return 5 + key.length
}

/** Puts the checksum of all the rest into `value`. */
export function endSeal(value: Buffer): void {
  value.writeUInt32BE(crc32c(value, 4, value.length))
}

/** The payload of `value`, a view of it. Throws `CorruptionError`. */
export function unseal(where: string, key: Uint8Array, value: Uint8Array): Uint8Array {
  const place = `${where}, ${describeKey(key)}`
  if (value.length < 5 + key.length) throw damaged(place, 'cut short')
  const expected = new DataView(value.buffer, value.byteOffset).getUint32(0)
  if (crc32c(value, 4, value.length) !== expected) throw damaged(place, 'the checksum does not match')
  const ownKey = value.subarray(5, 5 + value[4]!)
  if (Buffer.compare(ownKey, key) !== 0) throw damaged(place, `holds the value of ${describeKey(ownKey)}`)
  return value.subarray(5 + key.length)
}

/** `value` is a safe integer; without a bigint, of which there would be one for each. */
export function writeUint64(into: Buffer, value: number, at: number): void {
  into.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at)
  into.writeUInt32BE(value >>> 0, at + 4)
}
