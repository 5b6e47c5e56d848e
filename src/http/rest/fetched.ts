/** The records of a fetch, from an offset on, one after the other as long as somebody takes them. */
import { decodeBatch, splitBatches } from '../../protocol/batch/decoder.ts'
import { attribute, endOffsetOf, readBatchHeader } from '../../protocol/batch/header.ts'
import type { Codecs, DecodedRecord } from '../../protocol/batch/types.ts'

/**
 * Hands every record at or above `fromOffset` to `take` until it returns `false`, without control records. Resolves with
 * the offset to go on from. Throws and rejects as `decodeBatch` does; what was handed out before is not taken back.
 */
export async function takeRecords(
  bytes: Uint8Array,
  fromOffset: number,
  codecs: Codecs,
  take: (record: DecodedRecord) => boolean,
): Promise<number> {
  let nextOffset = fromOffset
  for (const batch of splitBatches(bytes)) {
    const header = readBatchHeader(batch, 0)
    const endOffset = endOffsetOf(header)
    if (endOffset <= nextOffset) continue
    if ((header.attributes & attribute.control) === 0) {
      const records = decodeBatch(batch, codecs)
      for (const record of Array.isArray(records) ? records : await records) {
        if (record.offset < nextOffset) continue
        if (!take(record)) return nextOffset
        nextOffset = record.offset + 1
      }
    }
    nextOffset = endOffset
  }
  return nextOffset
}
