/**
 * The fixed part of a record batch of format v2, as Kafka lays it out (big endian):
 *
 *     0 baseOffset:int64      8 batchLength:int32       12 partitionLeaderEpoch:int32   16 magic:int8 (2)
 *    17 crc:uint32           21 attributes:int16        23 lastOffsetDelta:int32        27 baseTimestamp:int64
 *    35 maxTimestamp:int64   43 producerId:int64        51 producerEpoch:int16          53 baseSequence:int32
 *    57 recordCount:int32    61 records…
 *
 * `batchLength` counts what follows it. The CRC-32C covers everything from `attributes` on, so base offset and leader
 * epoch may be patched in place.
 */
export const batchHeaderBytes = 61
/** Base offset and length: what must be read to know how long the batch is. */
export const batchPrefixBytes = 12
export const batchMagic = 2
/** Where the CRC's range begins. */
export const crcRangeStart = 21

export const position = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const

export interface BatchHeader {
  baseOffset: number
  /** Whole batch in bytes, prefix included. */
  sizeBytes: number
  leaderEpoch: number
  magic: number
  crc: number
  attributes: number
  lastOffsetDelta: number
  baseTimestamp: number
  maxTimestamp: number
  producerId: number
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

/** Reads the header at `at`. The caller has made sure that `batchHeaderBytes` are there; nothing is validated. */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, batchHeaderBytes)
  return {
    baseOffset: readInt64(view, position.baseOffset),
    sizeBytes: view.getInt32(position.batchLength) + batchPrefixBytes,
    leaderEpoch: view.getInt32(position.leaderEpoch),
    magic: view.getInt8(position.magic),
    crc: view.getUint32(position.crc),
    attributes: view.getInt16(position.attributes),
    lastOffsetDelta: view.getInt32(position.lastOffsetDelta),
    baseTimestamp: readInt64(view, position.baseTimestamp),
    maxTimestamp: readInt64(view, position.maxTimestamp),
    producerId: readInt64(view, position.producerId),
    producerEpoch: view.getInt16(position.producerEpoch),
    baseSequence: view.getInt32(position.baseSequence),
    recordCount: view.getInt32(position.recordCount),
  }
}

/** What is wrong with a header by itself, or `null`. */
export function headerFault(header: BatchHeader, expectedOffset: number | null): string | null {
  if (header.magic !== batchMagic) return 'no record batch of format 2 begins here'
  if (header.sizeBytes < batchHeaderBytes) return 'the batch length is impossible'
  if (header.lastOffsetDelta < 0 || header.recordCount < 0) return 'the record count is negative'
  if (!Number.isSafeInteger(header.baseOffset) || header.baseOffset < 0) return 'the base offset is impossible'
  // Not under the CRC, as the leader patches it; but offsets are dense, so each batch vouches for the next.
  if (expectedOffset !== null && header.baseOffset !== expectedOffset) {
    return `the base offset is ${header.baseOffset} where ${expectedOffset} is due`
  }
  return null
}

/** First offset after the batch. */
export function endOffsetOf(header: BatchHeader): number {
  return header.baseOffset + header.lastOffsetDelta + 1
}

/** Writes what only the leader knows; outside the CRC's range. */
export function patchBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, batchHeaderBytes)
  writeInt64(view, position.baseOffset, baseOffset)
  view.setInt32(position.leaderEpoch, leaderEpoch)
}

/** A 64-bit number as a double. Exact for safe integers; the validator refuses the others. */
export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4)
}

export function writeInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  view.setInt32(at, high)
  view.setUint32(at + 4, value - high * 0x1_0000_0000)
}

/** Bits of `attributes`. */
export const attribute = {
  compressionMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const

/** Codec numbers as in the low three bits of `attributes`. */
export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CompressionName = keyof typeof compressionCodes
export const compressionNames = Object.keys(compressionCodes) as readonly CompressionName[]

/** The codec of a batch, or `null` for a number nobody has defined. */
export function compressionOf(attributes: number): CompressionName | null {
  return compressionNames[attributes & attribute.compressionMask] ?? null
}
