/**
 * Walks the batch headers of a segment file from a batch boundary on, with small synchronous reads: one read serves
 * many small batches, and large ones are stepped over. Checks what a header alone can tell; CRCs are for who reads the
 * records.
 */
import { type BatchHeader, batchHeaderBytes, batchMagic, readBatchHeader } from '../protocol/batch/header.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import type { DiskFile } from './disk.ts'

export class BatchCursor {
  readonly #file: DiskFile
  /** Exclusive end of what may be read. */
  readonly #endBytes: number
  readonly #window: Uint8Array
  #windowStart = 0
  #windowLength = 0
  /** Position of the batch that `next` will return. */
  position: number

  constructor(file: DiskFile, position: number, endBytes: number, windowBytes = 4096) {
    this.#file = file
    this.position = position
    this.#endBytes = endBytes
    this.#window = new Uint8Array(Math.max(batchHeaderBytes, Math.min(windowBytes, endBytes - position)))
  }

  /** The next header, or `null` at the end. `expectedOffset` (when known) is what its base offset must be. */
  next(expectedOffset: Offset | null): BatchHeader | null {
    const at = this.position
    if (at === this.#endBytes) return null
    if (at + batchHeaderBytes > this.#endBytes) throw this.#corruption('the file ends inside a batch header')
    const start = this.#windowStart
    if (at < start || at + batchHeaderBytes > start + this.#windowLength) this.#fill(at)
    const header = readBatchHeader(this.#window, at - this.#windowStart)
    const fault = headerFault(header, expectedOffset)
    if (fault !== null) throw this.#corruption(fault)
    if (at + header.sizeBytes > this.#endBytes) throw this.#corruption('the batch is longer than the file')
    this.position = at + header.sizeBytes
    return header
  }

  #fill(at: number): void {
    const wanted = this.#window.subarray(0, Math.min(this.#window.length, this.#endBytes - at))
    const found = this.#file.readSync(wanted, at)
    if (found < batchHeaderBytes) throw this.#corruption('the file is shorter than it was')
    this.#windowStart = at
    this.#windowLength = found
  }

  #corruption(message: string): CorruptionError {
    return new CorruptionError(`${this.#file.path} at byte ${this.position}`, message)
  }
}

/** What is wrong with a header by itself, or `null`. */
export function headerFault(header: BatchHeader, expectedOffset: Offset | null): string | null {
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
export function endOffsetOf(header: BatchHeader): Offset {
  return header.baseOffset + header.lastOffsetDelta + 1
}
