/**
 * Record batches on behalf of thin clients, which send and receive records as plain MessagePack arrays. Costs the
 * broker work per record, which is why clients that can build batches do.
 */
import { limits, type PlainRecordIn, type PlainRecordOut } from '../common.ts'
import { ApiError } from '../errors.ts'
import { BatchBuilder } from './builder.ts'
import { decodeBatch } from './decoder.ts'
import { attribute, batchHeaderBytes, readBatchHeader } from './header.ts'
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
  fromOffset?: number
  /** Stops after so many records. Default, and at most: `limits.plainRecords`. */
  recordsMax?: number
}

/**
 * The records of `batches` (each view exactly one batch) in the order of their offsets, without control records.
 * Throws or rejects as `decodeBatch` does.
 */
export function unpackToPlain(
  batches: readonly Uint8Array[],
  codecs: Codecs,
  options: UnpackOptions = {},
): PlainRecordOut[] | Promise<PlainRecordOut[]> {
  const fromOffset = options.fromOffset ?? 0
  const recordsMax = Math.min(options.recordsMax ?? limits.plainRecords, limits.plainRecords)
  return unpackFrom(batches, 0, codecs, fromOffset, recordsMax, [])
}

/** Goes on with batch number `at`: at once as long as the codecs answer at once. */
function unpackFrom(
  batches: readonly Uint8Array[],
  at: number,
  codecs: Codecs,
  fromOffset: number,
  recordsMax: number,
  out: PlainRecordOut[],
): PlainRecordOut[] | Promise<PlainRecordOut[]> {
  for (; at < batches.length && out.length < recordsMax; at++) {
    const batch = batches[at]!
    if (isControl(batch)) continue
    const records = decodeBatch(batch, codecs)
    if (!Array.isArray(records)) {
      return records.then(decoded => {
        pushPlain(decoded, fromOffset, recordsMax, out)
        return unpackFrom(batches, at + 1, codecs, fromOffset, recordsMax, out)
      })
    }
    pushPlain(records, fromOffset, recordsMax, out)
  }
  return out
}

/** Markers of the log itself, which no reader sees. What is too short for a header is left to the decoder's error. */
function isControl(batch: Uint8Array): boolean {
  return batch.length >= batchHeaderBytes && (readBatchHeader(batch, 0).attributes & attribute.control) !== 0
}

function pushPlain(records: DecodedRecord[], fromOffset: number, recordsMax: number, out: PlainRecordOut[]): void {
  for (const record of records) {
    if (out.length >= recordsMax) return
    if (record.offset >= fromOffset) out.push(record)
  }
}
