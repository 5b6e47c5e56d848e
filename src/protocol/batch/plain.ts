/**
 * Record batches on behalf of thin clients, which send and receive records as plain MessagePack arrays. Costs the
 * broker work per record, which is why clients that can build batches do.
 */
import { limits, type PlainRecordIn, type PlainRecordOut } from '../common.ts'
import { ApiError } from '../errors.ts'
import { BatchBuilder } from './builder.ts'
import { decodeBatch, splitBatches } from './decoder.ts'
import { attribute, readBatchHeader } from './header.ts'
import type { Codecs, DecodedRecord, RecordHeader } from './types.ts'

const encoder = new TextEncoder()

/**
 * One uncompressed batch of `records`; those without a timestamp get `nowMs` (milliseconds since 1970). Throws
 * `ApiError`: `INVALID_RECORD` when there are none, `INVALID_TIMESTAMP`, `MESSAGE_TOO_LARGE`.
 */
export function packPlainRecords(records: readonly PlainRecordIn[], nowMs: number): Uint8Array {
  if (records.length === 0) throw new ApiError('INVALID_RECORD', 'There are no records.')
  const builder = new BatchBuilder({ bytesMax: limits.recordsBytes, compression: 'none', codec: null })
  for (const { key, value, headers, timestamp } of records) {
    if (!builder.tryAppend(key, value, headers.map(toRecordHeader), timestamp ?? nowMs)) {
      throw new ApiError('MESSAGE_TOO_LARGE', `The records do not fit a batch of ${limits.recordsBytes} bytes.`)
    }
  }
  return builder.finish() as Uint8Array // Only a codec makes it a promise.
}

function toRecordHeader({ name, value }: PlainRecordIn['headers'][number]): RecordHeader {
  return { name, value: typeof value === 'string' ? encoder.encode(value) : value }
}

export interface UnpackOptions {
  /** Leaves out records below it: the first batch may begin earlier than what was asked for. Default 0. */
  readonly fromOffset?: number
  /** Stops after so many records. Default, and at most: `limits.plainRecords`. */
  readonly recordsMax?: number
  /**
   * Of what the records hold in memory: leaves out a batch that would bring it above this, unless it is the first. What
   * is compressed may be a thousand times as large as it looks.
   */
  readonly bytesMax: number
}

export interface Unpacked {
  readonly records: PlainRecordOut[]
  /** What they hold in memory. */
  readonly bytes: number
}

/**
 * The records of `batches`, each view one or more whole batches, in the order of their offsets, without control records.
 * Throws or rejects as `decodeBatch` and `splitBatches` do.
 */
export async function unpackToPlain(
  batches: readonly Uint8Array[],
  codecs: Codecs,
  { fromOffset = 0, recordsMax = limits.plainRecords, bytesMax }: UnpackOptions,
): Promise<Unpacked> {
  const records: PlainRecordOut[] = []
  let bytes = 0
  for (const batch of batches.flatMap(splitBatches)) {
    const recordsLeft = Math.min(recordsMax, limits.plainRecords) - records.length
    if (recordsLeft <= 0) break
    if (isControl(batch)) continue
    const decoding = decodeBatch(batch, codecs, { fromOffset, recordsMax: recordsLeft })
    const decoded = Array.isArray(decoding) ? decoding : await decoding
    const size = sizeOf(decoded, batch)
    if (records.length > 0 && bytes + size > bytesMax) break
    for (const record of decoded) records.push(record)
    bytes += size
  }
  return { records, bytes }
}

/** Markers of the log itself, which no reader sees. */
function isControl(batch: Uint8Array): boolean {
  return (readBatchHeader(batch, 0).attributes & attribute.control) !== 0
}

function sizeOf(records: readonly DecodedRecord[], batch: Uint8Array): number {
  let size = 0
  let unpackedBytes = 0
  for (const { key, value, headers } of records) {
    size += (key?.length ?? 0) + (value?.length ?? 0)
    for (const header of headers) size += header.name.length + (header.value?.length ?? 0)
    // A record of a compressed batch keeps all of it in memory, those among it that nobody gets.
    const { buffer } = value ?? key ?? batch
    if (buffer !== batch.buffer) unpackedBytes = Math.max(unpackedBytes, buffer.byteLength)
  }
  return Math.max(size, unpackedBytes)
}
