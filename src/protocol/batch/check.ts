/**
 * Checks what a producer sent before it is appended: the broker never re-encodes records, so whatever passes here is
 * what every reader, Kafka's own tools included, will find on disk. Allocates nothing per record.
 */
import { crc32c } from '../../util/crc32c.ts'
import type { ErrorName, Failure } from '../errors.ts'
import { ProtocolError } from '../protocol-error.ts'
import { isUtf8 } from '../utf8.ts'
import {
  attribute,
  type BatchHeader,
  batchHeaderBytes,
  batchMagic,
  compressionOf,
  crcRangeStart,
  readBatchHeader,
} from './header.ts'
import { recordBytesMin, VarintReader } from './varint.ts'

/** What a producer may set: the codec, and nothing else. */
const producerAttributes = attribute.compressionMask

/**
 * The header, if `bytes` are exactly one batch that may be appended as it is. `sizeMax` is the topic's
 * `max.message.bytes`. The records of a compressed batch are not looked into.
 */
export function checkProducedBatch(bytes: Uint8Array, options: { sizeMax: number }): BatchHeader | Failure {
  if (bytes.length > options.sizeMax) {
    return failure('MESSAGE_TOO_LARGE', `The record batch has ${bytes.length} bytes, the limit is ${options.sizeMax}.`)
  }
  const damage = findDamage(bytes)
  if (damage !== null) return damage
  const header = readBatchHeader(bytes, 0)
  const lie = checkHeader(header, bytes.length)
  if (lie !== null) return lie
  if (compressionOf(header.attributes) !== 'none') return header
  try {
    return checkRecords(bytes, header) ?? header
  } catch (error) {
    if (error instanceof ProtocolError) return failure('INVALID_RECORD', error.message)
    throw error
  }
}

/** Whether `bytes` are one whole batch of format v2 as it was written: length, magic, CRC. `null` when they are. */
export function findDamage(bytes: Uint8Array): Failure | null {
  if (bytes.length < batchHeaderBytes)
    return failure('CORRUPT_MESSAGE', 'The bytes end within the header of a record batch.')
  const { magic, sizeBytes, crc } = readBatchHeader(bytes, 0)
  if (magic !== batchMagic) {
    return failure('UNSUPPORTED_FOR_MESSAGE_FORMAT', `The record batch has format version ${magic}, not ${batchMagic}.`)
  }
  if (sizeBytes < batchHeaderBytes)
    return failure('CORRUPT_MESSAGE', 'The length of the record batch is below that of its header.')
  if (sizeBytes > bytes.length)
    return failure('CORRUPT_MESSAGE', 'The record batch is longer than the bytes that came.')
  if (sizeBytes < bytes.length)
    return failure('INVALID_RECORD', 'There is more than one record batch, or bytes behind it.')
  if (crc32c(bytes, crcRangeStart, bytes.length) !== crc)
    return failure('CORRUPT_MESSAGE', 'The CRC of the record batch is wrong.')
  return null
}

function checkHeader(header: BatchHeader, sizeBytes: number): Failure | null {
  if (compressionOf(header.attributes) === null) {
    return failure('UNSUPPORTED_COMPRESSION_TYPE', 'The compression codec of the record batch is not defined.')
  }
  if ((header.attributes & attribute.logAppendTime) !== 0) {
    return failure('INVALID_TIMESTAMP', 'A producer does not set the timestamp type to LogAppendTime.')
  }
  if ((header.attributes & ~producerAttributes) !== 0) {
    return failure(
      'INVALID_RECORD',
      'The record batch is marked as transactional, as control, or with an unknown attribute.',
    )
  }
  if (header.recordCount < 1) return failure('INVALID_RECORD', 'The record batch has no records.')
  if (header.lastOffsetDelta !== header.recordCount - 1) {
    return failure('INVALID_RECORD', 'The last offset delta is not the number of records less one.')
  }
  if (
    compressionOf(header.attributes) === 'none' &&
    header.recordCount * recordBytesMin > sizeBytes - batchHeaderBytes
  ) {
    return failure('INVALID_RECORD', 'The record batch is too short for the number of its records.')
  }
  if (
    !isTimestamp(header.baseTimestamp) ||
    !isTimestamp(header.maxTimestamp) ||
    header.maxTimestamp < header.baseTimestamp
  ) {
    return failure(
      'INVALID_TIMESTAMP',
      'The timestamps of the record batch are out of range, or the largest is below the first.',
    )
  }
  if (!Number.isSafeInteger(header.producerId) || header.producerId < -1) {
    return failure('INVALID_RECORD', 'The producer id is out of range.')
  }
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0)) {
    return failure('INVALID_RECORD', 'The record batch has a producer id without producer epoch or sequence.')
  }
  return null
}

function checkRecords(bytes: Uint8Array, header: BatchHeader): Failure | null {
  const { baseTimestamp, recordCount } = header
  const reader = new VarintReader(bytes, batchHeaderBytes, bytes.length)
  let maxTimestamp = -1
  for (let i = 0; i < recordCount; i++) {
    reader.end = bytes.length
    reader.openRecord(reader.readVarint())
    const timestamp = baseTimestamp + reader.readVarlong()
    if (!isTimestamp(timestamp)) return failure('INVALID_TIMESTAMP', 'The timestamp of a record is out of range.')
    if (timestamp > maxTimestamp) maxTimestamp = timestamp
    if (reader.readVarint() !== i)
      return failure('INVALID_RECORD', 'The offset deltas of the records do not count from 0.')
    reader.skipBlob() // key
    reader.skipBlob() // value
    const headerCount = reader.readVarint()
    if (headerCount < 0) return failure('INVALID_RECORD', 'A record has a negative number of headers.')
    for (let h = 0; h < headerCount; h++)
      if (!skipHeader(reader)) return failure('INVALID_RECORD', 'The name of a record header is not UTF-8.')
    if (reader.at !== reader.end) return failure('INVALID_RECORD', 'A record is longer than what is in it.')
  }
  if (reader.at !== bytes.length) return failure('INVALID_RECORD', 'There are bytes behind the last record.')
  if (maxTimestamp !== header.maxTimestamp) {
    return failure('INVALID_TIMESTAMP', 'The largest timestamp in the header is not that of the records.')
  }
  return null
}

/** `false` if the name is missing or not text. */
function skipHeader(reader: VarintReader): boolean {
  const length = reader.skipBlob()
  if (length < 0 || !isUtf8(reader.bytes, reader.at - length, reader.at)) return false
  reader.skipBlob()
  return true
}

/** -1 is Kafka's “none”. */
function isTimestamp(value: number): boolean {
  return Number.isSafeInteger(value) && value >= -1
}

function failure(error: ErrorName, message: string): Failure {
  return { error, message }
}
