/** Record batches as plain records, for readers that cannot take batches apart: thin clients, and REST. */
import { decodeBatch, splitBatches } from '../protocol/batch/decoder.ts'
import { attribute, readBatchHeader } from '../protocol/batch/header.ts'
import type { Codecs, DecodedRecord } from '../protocol/batch/types.ts'
import { limits, type PlainRecordOut } from '../protocol/common.ts'

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
