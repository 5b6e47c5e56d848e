/**
 * What is in the LMDB file: keys, values, and their encoding. LMDB has no checksums, so every value carries one, and its
 * own key beside it: a value that is damaged, or whole but in another's place, is found.
 *
 *     value:  crc32c:4 (of all that follows)   keyLength:1   key   payload
 *     keys:   "i"                       identity: format version, node id and disk id, JSON
 *             "m"                       state: hard state, range of the log, description of the snapshot, JSON
 *             "e" index:8               entry: term:8 kind:1 data
 *             "s" index:8 chunk:4       one chunk of the snapshot's data
 *
 * Numbers are big endian, so keys sort as their numbers do.
 */
import type { Entry, HardState, SnapshotMeta } from '../raft/types.ts'
import { crc32c } from '../util/crc32c.ts'
import { CorruptionError } from '../util/errors.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { MiB } from '../util/units.ts'
import type { LogRange } from './log-range.ts'

export const formatVersion = 1
export const chunkBytesMax = MiB

export interface Identity {
  readonly format: number
  readonly nodeId: number
  readonly diskId: string
}

/** Written with every commit: it says what else must be there. */
export interface StoredState {
  readonly hardState: HardState
  readonly range: LogRange
  readonly snapshot: { readonly meta: SnapshotMeta; readonly sizeBytes: number } | null
}

const kinds = ['data', 'noop', 'configuration'] as const
const entryPrefix = 0x65
const chunkPrefix = 0x73

export const identityKey = Buffer.from('i')
export const stateKey = Buffer.from('m')

export function entryKey(index: number): Buffer {
  const key = Buffer.alloc(9)
  key[0] = entryPrefix
  key.writeBigUInt64BE(BigInt(index), 1)
  return key
}

export function chunkKey(snapshotIndex: number, chunk: number): Buffer {
  const key = Buffer.alloc(13)
  key[0] = chunkPrefix
  key.writeBigUInt64BE(BigInt(snapshotIndex), 1)
  key.writeUInt32BE(chunk, 9)
  return key
}

/** For messages: the key in words. */
export function describeKey(key: Uint8Array): string {
  const buffer = Buffer.from(key)
  if (buffer.equals(identityKey)) return 'identity'
  if (buffer.equals(stateKey)) return 'state'
  if (buffer[0] === entryPrefix && buffer.length === 9) return `entry ${buffer.readBigUInt64BE(1)}`
  if (buffer[0] === chunkPrefix && buffer.length === 13)
    return `snapshot ${buffer.readBigUInt64BE(1)} chunk ${buffer.readUInt32BE(9)}`
  return `key ${buffer.toString('hex')}`
}

export function encodeJson(key: Uint8Array, value: Identity | StoredState): Buffer {
  return seal(key, Buffer.from(JSON.stringify(value)))
}

export function encodeEntry(key: Uint8Array, entry: Entry): Buffer {
  const payload = Buffer.allocUnsafe(9 + entry.data.length)
  payload.writeBigUInt64BE(BigInt(entry.term))
  payload[8] = kinds.indexOf(entry.kind)
  payload.set(entry.data, 9)
  return seal(key, payload)
}

export function encodeChunk(key: Uint8Array, data: Uint8Array): Buffer {
  return seal(key, data)
}

export function decodeJson<T extends Identity | StoredState>(where: string, key: Uint8Array, value: Uint8Array): T {
  return JSON.parse(Buffer.from(unseal(where, key, value)).toString()) as T
}

export function decodeEntry(where: string, key: Uint8Array, value: Uint8Array): Entry {
  const payload = Buffer.from(unseal(where, key, value))
  const kind = kinds[payload[8] ?? 255]
  if (kind === undefined) throw new CorruptionError(`${where}, ${describeKey(key)}`, 'not an entry')
  const index = toLogIndex(Number(Buffer.from(key).readBigUInt64BE(1)))
  return { index, term: toTerm(Number(payload.readBigUInt64BE())), kind, data: Uint8Array.from(payload.subarray(9)) }
}

export function decodeChunk(where: string, key: Uint8Array, value: Uint8Array): Uint8Array {
  return unseal(where, key, value)
}

/** Always memory of its own: LMDB's writer thread reads it after the call returned. */
function seal(key: Uint8Array, payload: Uint8Array): Buffer {
  const value = Buffer.allocUnsafeSlow(5 + key.length + payload.length)
  value[4] = key.length
  value.set(key, 5)
  value.set(payload, 5 + key.length)
  value.writeUInt32BE(crc32c(value, 4, value.length))
  return value
}

function unseal(where: string, key: Uint8Array, value: Uint8Array): Uint8Array {
  const place = `${where}, ${describeKey(key)}`
  if (value.length < 5 + key.length) throw new CorruptionError(place, 'cut short')
  const expected = new DataView(value.buffer, value.byteOffset).getUint32(0)
  if (crc32c(value, 4, value.length) !== expected) throw new CorruptionError(place, 'the checksum does not match')
  const ownKey = value.subarray(5, 5 + value[4]!)
  if (Buffer.compare(ownKey, key) !== 0) throw new CorruptionError(place, `holds the value of ${describeKey(ownKey)}`)
  return value.subarray(5 + key.length)
}
