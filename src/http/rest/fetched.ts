/** The records of a fetch, from an offset on, one after the other as long as somebody takes them. */
import { decodeBatch, splitBatches } from '../../protocol/batch/decoder.ts'
import { attribute, endOffsetOf, readBatchHeader } from '../../protocol/batch/header.ts'
import type { Codecs, DecodedRecord } from '../../protocol/batch/types.ts'

/**
 * Hands up to `recordsMax` records at or above `fromOffset` to `take`, until it returns `false`, without control records.
 * Resolves with the offset to go on from. Throws and rejects as `decodeBatch` does; what was handed out before is not taken
 * back.
 */
export async function takeRecords(
  bytes: Uint8Array,
  { fromOffset, recordsMax }: { readonly fromOffset: number; readonly recordsMax: number },
  codecs: Codecs,
  take: (record: DecodedRecord) => boolean,
): Promise<number> {
  let nextOffset = fromOffset
  let recordsLeft = recordsMax
  for (const batch of splitBatches(bytes)) {
    const header = readBatchHeader(batch, 0)
    const endOffset = endOffsetOf(header)
    if (endOffset <= nextOffset) continue
    if ((header.attributes & attribute.control) === 0) {
      const decoding = decodeBatch(batch, codecs, { fromOffset: nextOffset, recordsMax: recordsLeft })
      const records = Array.isArray(decoding) ? decoding : await decoding
      for (const record of records) {
        if (!take(record)) return nextOffset
        nextOffset = record.offset + 1
      }
      recordsLeft -= records.length
      if (recordsLeft === 0) return nextOffset
    }
    nextOffset = endOffset
  }
  return nextOffset
}
