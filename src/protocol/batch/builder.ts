/**
 * Builds one record batch of format v2: base offset 0, leader epoch -1, CRC set. Records are written straight into one
 * growing buffer; nothing is allocated per record for bytes and short ASCII strings.
 *
 * A record begins with its length, so lengths must be known before its text is written. Text is first taken to be
 * ASCII, one byte per character, which is checked while it is written; only when that fails is it measured.
 */
import { assert } from '../../util/assert.ts'
import { ApiError } from '../errors.ts'
import { utf8Length } from '../utf8.ts'
import { batchHeaderBytes, type CompressionName, compressionCodes } from './header.ts'
import { sealBatch } from './stamp.ts'
import type { Codec, RecordHeader } from './types.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

type Blob = Uint8Array | string | null

export interface BatchBuilderOptions {
  /** Of the whole batch, header included, before compression. A first record larger than that is accepted alone. */
  bytesMax: number
  compression: CompressionName
  /** Of `compression`; `null` for none. */
  codec: Codec | null
  /** A guess at the size of the batch: spares it growing step by step. */
  capacityBytes?: number
  /** Memory to build in, of a batch that nobody needs any more (`releaseBuffer`); used when it is large enough. */
  buffer?: Uint8Array | null
  producerId?: number
  producerEpoch?: number
  baseSequence?: number
}

/** What a batch can hold at all: its length is an int32, and so must be every position in it. */
const batchBytesMax = 0x7fff_0000
const initialCapacityBytes = 512
/** Builders begin in a slice of a shared slab: a batch of one small record costs no buffer of its own. */
const slabBytes = 16 * 1024
let slab = new Uint8Array(slabBytes)
let slabUsed = 0
/** Up to here a loop over the characters beats the call of `encodeInto`. */
const shortTextLength = 64
const encoder = new TextEncoder()
const noBytes = new Uint8Array(0)

export class BatchBuilder {
  readonly #options: BatchBuilderOptions
  #bytes: Uint8Array
  /** End of what is written. */
  #end = batchHeaderBytes
  #recordCount = 0
  #baseTimestamp = 0
  #maxTimestamp = 0
  #isFinished = false

  /** Throws `ApiError` `UNSUPPORTED_COMPRESSION_TYPE` when the codec is missing here. */
  constructor(options: BatchBuilderOptions) {
    if (options.compression !== 'none' && options.codec === null) {
      throw new ApiError('UNSUPPORTED_COMPRESSION_TYPE', `The codec ${options.compression} is not available here.`)
    }
    this.#options = options
    const { capacityBytes = 0, buffer = null } = options
    if (buffer !== null && buffer.length >= capacityBytes) this.#bytes = buffer
    else this.#bytes = capacityBytes > initialCapacityBytes ? new Uint8Array(capacityBytes) : takeSlice()
  }

  get recordCount(): number {
    return this.#recordCount
  }

  /** Size of the batch so far, header included, uncompressed. */
  get sizeBytes(): number {
    return this.#end
  }

  /**
   * Appends a record; `false` when the batch is full, and then nothing changed. `timestamp` is in milliseconds since
   * 1970 and may be below that of the record before. Throws `ApiError` `INVALID_TIMESTAMP` or `MESSAGE_TOO_LARGE`.
   */
  tryAppend(key: Blob, value: Blob, headers: readonly RecordHeader[] | null, timestamp: number): boolean {
    assert(!this.#isFinished, 'a finished batch takes no records')
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new ApiError('INVALID_TIMESTAMP', 'A timestamp is a whole number of milliseconds since 1970.')
    }
    if (this.#recordCount === 0) this.#baseTimestamp = timestamp
    const keyLength = key === null ? -1 : key.length
    const valueLength = value === null ? -1 : value.length
    let end = this.#write(key, keyLength, value, valueLength, headers, timestamp)
    if (end === notAscii) end = this.#write(key, blobLength(key), value, blobLength(value), headers, timestamp)
    if (end === full) return false
    assert(end > 0, 'measured text has the length that is written')
    this.#end = end
    if (this.#recordCount++ === 0 || timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    return true
  }

  /**
   * The batch, at once or, with a codec that only has promises, later. Not empty; may be called once. What is given is a
   * view of a buffer that may hold other batches too: never transfer it to another thread.
   */
  finish(): Uint8Array | Promise<Uint8Array> {
    assert(this.#recordCount > 0, 'a batch has records')
    assert(!this.#isFinished, 'a batch is finished once')
    this.#isFinished = true
    const { codec, compression } = this.#options
    if (compression === 'none') return this.#seal(this.#bytes.subarray(0, this.#end))
    const packed = codec!.compress(this.#bytes.subarray(batchHeaderBytes, this.#end))
    return packed instanceof Uint8Array ? this.#sealPacked(packed) : packed.then(later => this.#sealPacked(later))
  }

  /**
   * The memory the batch was built in, for another builder; `null` when it is a slice of the shared slab. What `finish`
   * gave may be a view of it and is no longer valid.
   */
  releaseBuffer(): Uint8Array | null {
    assert(this.#isFinished, 'a batch is finished before its memory is released')
    const bytes = this.#bytes
    this.#bytes = noBytes
    return bytes.length > initialCapacityBytes ? bytes : null
  }

  /** Writes a record behind the others. Returns its end, `full`, or `notAscii` when a length given was too short. */
  #write(
    key: Blob,
    keyLength: number,
    value: Blob,
    valueLength: number,
    headers: readonly RecordHeader[] | null,
    timestamp: number,
  ): number {
    const offsetDelta = this.#recordCount
    const timestampDelta = timestamp - this.#baseTimestamp
    const bodySize =
      1 +
      varlongSize(timestampDelta) +
      varintSize(offsetDelta) +
      blobSize(keyLength) +
      blobSize(valueLength) +
      (headers === null ? 1 : headersSize(headers))
    const endMax = this.#end + varintSize(bodySize) + bodySize
    if (endMax > this.#options.bytesMax && offsetDelta > 0) return full
    if (endMax > this.#bytes.length) this.#grow(endMax)

    const bytes = this.#bytes
    let at = writeVarint(bytes, this.#end, bodySize)
    bytes[at++] = 0 // attributes of a record: none are defined
    at = writeVarlong(bytes, at, timestampDelta)
    at = writeVarint(bytes, at, offsetDelta)
    at = writeBlob(bytes, at, key, keyLength)
    if (at === notAscii) return notAscii
    at = writeBlob(bytes, at, value, valueLength)
    if (at === notAscii) return notAscii
    if (headers === null) bytes[at++] = 0
    else at = writeHeaders(bytes, at, headers)
    assert(at === endMax, 'a record is as long as computed')
    return at
  }

  #grow(needed: number): void {
    if (needed > batchBytesMax) throw new ApiError('MESSAGE_TOO_LARGE', 'A record batch is at most 2 GiB.')
    let capacity = this.#bytes.length
    while (capacity < needed) capacity *= 4
    const { bytesMax } = this.#options
    if (needed <= bytesMax && capacity > bytesMax) capacity = bytesMax
    const grown = new Uint8Array(Math.min(capacity, batchBytesMax))
    grown.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = grown
  }

  #sealPacked(packed: Uint8Array): Uint8Array {
    const batch = new Uint8Array(batchHeaderBytes + packed.length)
    batch.set(packed, batchHeaderBytes)
    return this.#seal(batch)
  }

  #seal(batch: Uint8Array): Uint8Array {
    const { compression, producerId, producerEpoch, baseSequence } = this.#options
    sealBatch(batch, {
      baseOffset: 0,
      leaderEpoch: -1,
      attributes: compressionCodes[compression],
      lastOffsetDelta: this.#recordCount - 1,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: producerId ?? -1,
      producerEpoch: producerEpoch ?? -1,
      baseSequence: baseSequence ?? -1,
      recordCount: this.#recordCount,
    })
    return batch
  }
}

function takeSlice(): Uint8Array {
  if (slabUsed === slabBytes) {
    slab = new Uint8Array(slabBytes)
    slabUsed = 0
  }
  const from = slabUsed
  slabUsed += initialCapacityBytes
  return slab.subarray(from, slabUsed)
}

const full = -1
const notAscii = -2

/** The length in bytes, measured; -1 for null. */
function blobLength(blob: Blob): number {
  if (blob === null) return -1
  return typeof blob === 'string' ? utf8Length(blob) : blob.length
}

/** Bytes of a length (-1: null) and what follows it. */
function blobSize(length: number): number {
  return length <= 0 ? 1 : varintSize(length) + length
}

function headersSize(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length)
  for (const { name, value } of headers) size += blobSize(utf8Length(name)) + blobSize(blobLength(value))
  return size
}

function writeHeaders(bytes: Uint8Array, at: number, headers: readonly RecordHeader[]): number {
  at = writeVarint(bytes, at, headers.length)
  for (const { name, value } of headers) {
    at = writeBlob(bytes, at, name, utf8Length(name))
    at = writeBlob(bytes, at, value, blobLength(value))
  }
  return at
}

function writeBlob(bytes: Uint8Array, at: number, blob: Blob, length: number): number {
  at = writeVarint(bytes, at, length)
  if (length <= 0) return at
  if (typeof blob === 'string') {
    if (!writeText(bytes, at, blob, length)) return notAscii
  } else bytes.set(blob!, at)
  return at + length
}

/** Writes `text`, which is `length` bytes of UTF-8; `false` if it turns out to be more. */
function writeText(bytes: Uint8Array, at: number, text: string, length: number): boolean {
  if (length === text.length && length <= shortTextLength) {
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      bytes[at + i] = unit
    }
    return true
  }
  const { read, written } = encoder.encodeInto(text, bytes.subarray(at, at + length))
  return read === text.length && written === length
}
