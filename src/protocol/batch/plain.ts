/**
 * Record batches on behalf of thin clients, which send records as plain MessagePack arrays. Costs the
 * broker work per record, which is why clients that can build batches do.
 */
import { limits, type PlainRecordIn } from '../common.ts'
import { ApiError } from '../errors.ts'
import { BatchBuilder } from './builder.ts'
import type { RecordHeader } from './types.ts'

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
