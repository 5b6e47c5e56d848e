/**
 * Walks the batch headers of a segment file from a batch boundary on, with small synchronous reads: one read serves
 * many small batches, and large ones are stepped over. Checks what a header alone can tell; CRCs are for who reads the
 * records.
 */
import { type BatchHeader, batchHeaderBytes, headerFault, readBatchHeader } from '../protocol/batch/header.ts'
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
