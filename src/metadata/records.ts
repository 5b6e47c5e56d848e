/**
 * Records to and from bytes. What is decided in one go travels as one entry of the quorum's log, so all of it is
 * replayed or none: `[format, baseOffset, records]`. `baseOffset` is the offset the decision expected for its first
 * record; see `replayEntry` for what that protects from.
 *
 * Encoding checks the schema: a record that could not be read back must never reach the log, where it would stop every
 * node at every start.
 */
import { pack, unpack } from '../protocol/msgpack.ts'
import type { FrameLimits } from '../protocol/prescan.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import type { Offset } from '../util/numbers.ts'
import type { MetadataRecord } from './record-types.ts'
import { recordTypeByCode, recordTypeByKind } from './record-types.ts'

/** Version of the entry around the records. */
const entryFormat = 1

/** Bounds what decoding may cost: far above the largest decision, far below what would hurt. */
export const entryLimits: FrameLimits = { depthMax: 8, elementsMax: 16_000_000 }

export interface MetadataEntry {
  readonly baseOffset: Offset
  readonly records: readonly MetadataRecord[]
}

/** Throws `ProtocolError` when a record breaks its schema. */
export function encodeEntry(entry: MetadataEntry): Uint8Array {
  return pack([entryFormat, entry.baseOffset, entry.records.map(encodeRecord)])
}

/** Throws `ProtocolError` that names the kind or version this code does not know, or the field that is wrong. */
export function decodeEntry(data: Uint8Array): MetadataEntry {
  const wire = unpack(data, entryLimits)
  if (!Array.isArray(wire) || wire.length !== 3) throw new ProtocolError('MetadataEntry', 'an array of 3', wire)
  const [format, baseOffset, records] = wire as [unknown, unknown, unknown]
  if (format !== entryFormat) throw new ProtocolError('MetadataEntry.format', `format ${entryFormat}`, format)
  if (!Number.isSafeInteger(baseOffset) || (baseOffset as number) < 0) {
    throw new ProtocolError('MetadataEntry.baseOffset', 'an offset', baseOffset)
  }
  if (!Array.isArray(records)) throw new ProtocolError('MetadataEntry.records', 'an array', records)
  return { baseOffset: baseOffset as Offset, records: records.map(decodeRecord) }
}

/** The record as plain MessagePack values: `[code, version, body]`. */
export function encodeRecord(record: MetadataRecord): unknown[] {
  const type = recordTypeByKind(record.kind)
  return [type.code, type.version, type.body.encode(record, type.version, record.kind)]
}

export function decodeRecord(wire: unknown): MetadataRecord {
  if (!Array.isArray(wire) || wire.length !== 3) throw new ProtocolError('MetadataRecord', 'an array of 3', wire)
  const [code, version, body] = wire as [unknown, unknown, unknown]
  const type = typeof code === 'number' ? recordTypeByCode(code) : undefined
  if (type === undefined) throw new ProtocolError('MetadataRecord.code', 'a kind this version of Millrace knows', code)
  if (!Number.isSafeInteger(version) || (version as number) < 0 || (version as number) > type.version) {
    throw new ProtocolError(`${type.kind}.version`, `a version up to ${type.version}`, version)
  }
  const decoded = type.body.decode(body, version as number, type.kind) as Record<string, unknown>
  return { ...decoded, kind: type.kind } as unknown as MetadataRecord
}
