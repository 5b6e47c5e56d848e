/**
 * Reads record batches. A damaged one is a `ProtocolError` as a whole: no record of it is handed out. What it reads may
 * come from any writer, so unlike a freshly produced batch it may have gaps between its offsets (compaction).
 */

import { limits } from '../common.ts'
import { ApiError } from '../errors.ts'
import { described, ProtocolError } from '../protocol-error.ts'
import { findDamage } from './check.ts'
import {
  attribute,
  type BatchHeader,
  batchHeaderBytes,
  batchPrefixBytes,
  compressionOf,
  readBatchHeader,
} from './header.ts'
import type { Codecs, DecodedRecord, RecordHeader } from './types.ts'
import { recordBytesMin, VarintReader } from './varint.ts'

/** What most records have. Frozen: it is shared. */
const noHeaders = Object.freeze([]) as unknown as RecordHeader[]
const noBytes = new Uint8Array(0)
/** It is an int32. */
const recordCountMax = 0x7fff_ffff
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export interface DecodeOptions {
  /** Passes over records below it. Default 0. */
  readonly fromOffset?: number
  /** Looks at no record behind so many. A batch of a few bytes may hold millions, each of which becomes an object. */
  readonly recordsMax?: number
}

/**
 * The records of the one batch that fills `batch`, control records included (`attribute.control` of its header says
 * so). Keys and values are views of it, or of what it was decompressed to. Verifies the CRC. Throws or rejects with
 * `ProtocolError`, or with `ApiError` `UNSUPPORTED_COMPRESSION_TYPE` for a codec that is not available here.
 */
export function decodeBatch(
  batch: Uint8Array,
  codecs: Codecs,
  options: DecodeOptions = {},
): DecodedRecord[] | Promise<DecodedRecord[]> {
  const damage = findDamage(batch)
  if (damage !== null) throw new ProtocolError('batch', 'a whole record batch', described(damage.message))
  const header = readBatchHeader(batch, 0)
  const compression = compressionOf(header.attributes)
  if (compression === 'none') return readRecords(batch, batchHeaderBytes, header, options)
  const codec = compression === null ? null : codecs[compression]
  if (codec === null) {
    throw new ApiError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `The codec ${compression ?? 'of the batch'} is not available here.`,
    )
  }
  const undone = (cause: unknown): ProtocolError =>
    new ProtocolError(
      'batch.records',
      `${compression} data of at most ${limits.recordsBytes} bytes`,
      described('other data'),
      { cause },
    )
  let records: Uint8Array | Promise<Uint8Array>
  try {
    records = codec.decompress(batch.subarray(batchHeaderBytes), limits.recordsBytes)
  } catch (error) {
    throw undone(error)
  }
  if (records instanceof Uint8Array) return readRecords(records, 0, header, options)
  return records.then(
    plain => readRecords(plain, 0, header, options),
    error => {
      throw undone(error)
    },
  )
}

/** Views of the batches that lie back to back in `bytes`; an incomplete one at the end is left out. */
export function splitBatches(bytes: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = []
  let at = 0
  while (bytes.length - at >= batchHeaderBytes) {
    const { sizeBytes } = readBatchHeader(bytes, at)
    if (sizeBytes < batchHeaderBytes)
      throw new ProtocolError(
        'batch',
        `a length of at least ${batchHeaderBytes - batchPrefixBytes}`,
        sizeBytes - batchPrefixBytes,
      )
    if (sizeBytes > bytes.length - at) break
    batches.push(bytes.subarray(at, at + sizeBytes))
    at += sizeBytes
  }
  return batches
}

/** `bytes` from `from` on are the records of the batch, uncompressed. */
function readRecords(
  bytes: Uint8Array,
  from: number,
  header: BatchHeader,
  { fromOffset = 0, recordsMax = recordCountMax }: DecodeOptions,
): DecodedRecord[] {
  const { baseOffset, baseTimestamp, lastOffsetDelta, recordCount } = header
  // Before anything is allocated for them.
  if (recordCount < 0 || recordCount * recordBytesMin > bytes.length - from) {
    throw new ProtocolError('batch', `as many records as ${bytes.length - from} bytes can hold`, recordCount)
  }
  const appendTime = (header.attributes & attribute.logAppendTime) !== 0 ? header.maxTimestamp : null
  const names = new HeaderNames(bytes)
  const reader = new VarintReader(bytes, from, bytes.length)
  const isWhole = fromOffset <= baseOffset && recordsMax >= recordCount
  const records = isWhole ? new Array<DecodedRecord>(recordCount) : []
  let found = 0
  let previousDelta = -1
  for (let i = 0; i < recordCount; i++) {
    reader.end = bytes.length
    reader.openRecord(reader.readVarint())
    const timestampDelta = reader.readVarlong()
    const offsetDelta = reader.readVarint()
    if (offsetDelta <= previousDelta || offsetDelta > lastOffsetDelta) {
      throw new ProtocolError(
        'record',
        `an offset delta above ${previousDelta} and at most ${lastOffsetDelta}`,
        offsetDelta,
      )
    }
    previousDelta = offsetDelta
    if (!isWhole) {
      if (found >= recordsMax) return records
      if (baseOffset + offsetDelta < fromOffset) {
        reader.at = reader.end
        continue
      }
    }
    const key = readBlob(reader)
    const value = readBlob(reader)
    const headers = readHeaders(reader, names)
    if (reader.at !== reader.end)
      throw new ProtocolError('record', 'nothing behind the headers', reader.end - reader.at)
    records[found++] = {
      offset: baseOffset + offsetDelta,
      timestamp: appendTime === null ? baseTimestamp + timestampDelta : appendTime,
      key,
      value,
      headers,
    }
  }
  if (reader.at !== bytes.length)
    throw new ProtocolError('batch', 'nothing behind the last record', bytes.length - reader.at)
  return records
}

function readBlob(reader: VarintReader): Uint8Array | null {
  const length = reader.skipBlob()
  if (length < 0) return null
  if (length === 0) return noBytes
  const { bytes, at } = reader
  return bytes.subarray(at - length, at)
}

function readHeaders(reader: VarintReader, names: HeaderNames): RecordHeader[] {
  const count = reader.readVarint()
  if (count === 0) return noHeaders
  // A header is at least two lengths.
  if (count < 0 || count * 2 > reader.end - reader.at)
    throw new ProtocolError('record', 'a number of headers that fits', count)
  const headers = new Array<RecordHeader>(count)
  for (let i = 0; i < count; i++) {
    const length = reader.skipBlob()
    if (length < 0) throw new ProtocolError('record.headers', 'a name', null)
    const name = names.read(i, reader.at - length, reader.at)
    headers[i] = { name, value: readBlob(reader) }
  }
  return headers
}

/** Remembers the name last seen at each place: the records of a topic mostly have the same headers. */
class HeaderNames {
  readonly #bytes: Uint8Array
  readonly #seen: Array<{ from: number; length: number; name: string }> = []

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The text at [from, to) as the name of a record's header number `place`. */
  read(place: number, from: number, to: number): string {
    const seen = this.#seen[place]
    if (seen !== undefined && seen.length === to - from && this.#equal(seen.from, from, seen.length)) return seen.name
    const name = decoder.decode(this.#bytes.subarray(from, to))
    this.#seen[place] = { from, length: to - from, name }
    return name
  }

  #equal(a: number, b: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.#bytes[a + i] !== this.#bytes[b + i]) return false
    return true
  }
}
