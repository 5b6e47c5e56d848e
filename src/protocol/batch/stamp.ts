/** What writes into the part of a record batch that its CRC covers, and so computes the CRC anew. */
import { crc32c } from '../../util/crc32c.ts'
import {
  attribute,
  type BatchHeader,
  batchHeaderBytes,
  batchMagic,
  batchPrefixBytes,
  crcRangeStart,
  position,
  readBatchHeader,
  writeInt64,
} from './header.ts'

/** The fields of a header that are not implied: the length is that of the bytes, the magic 2, the CRC computed. */
export type SealedFields = Omit<BatchHeader, 'sizeBytes' | 'magic' | 'crc'>

/** Writes the header of the batch that fills `bytes`, whose records are in place, and its CRC. */
export function sealBatch(bytes: Uint8Array, fields: SealedFields): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, batchHeaderBytes)
  writeInt64(view, position.baseOffset, fields.baseOffset)
  view.setInt32(position.batchLength, bytes.length - batchPrefixBytes)
  view.setInt32(position.leaderEpoch, fields.leaderEpoch)
  view.setInt8(position.magic, batchMagic)
  view.setInt16(position.attributes, fields.attributes)
  view.setInt32(position.lastOffsetDelta, fields.lastOffsetDelta)
  writeInt64(view, position.baseTimestamp, fields.baseTimestamp)
  writeInt64(view, position.maxTimestamp, fields.maxTimestamp)
  writeInt64(view, position.producerId, fields.producerId)
  view.setInt16(position.producerEpoch, fields.producerEpoch)
  view.setInt32(position.baseSequence, fields.baseSequence)
  view.setInt32(position.recordCount, fields.recordCount)
  view.setUint32(position.crc, crc32c(bytes, crcRangeStart, bytes.length))
}

/**
 * Makes the batch at `at` one of `message.timestamp.type=LogAppendTime`: every record counts as written at `timeMs`
 * (milliseconds since 1970), without touching the records.
 */
export function stampLogAppendTime(batch: Uint8Array, at: number, timeMs: number): void {
  const { attributes, sizeBytes } = readBatchHeader(batch, at)
  const view = new DataView(batch.buffer, batch.byteOffset + at, batchHeaderBytes)
  view.setInt16(position.attributes, attributes | attribute.logAppendTime)
  writeInt64(view, position.maxTimestamp, timeMs)
  view.setUint32(position.crc, crc32c(batch, at + crcRangeStart, at + sizeBytes))
}
