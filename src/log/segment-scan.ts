/**
 * Reads a segment from a batch boundary on and checks everything: header, offsets, epochs, CRC. It stops at the first
 * batch that is not sound; what that means is for damage.ts to say.
 */
import {
  type BatchHeader,
  batchHeaderBytes,
  crcRangeStart,
  endOffsetOf,
  headerFault,
  readBatchHeader,
} from '../protocol/batch/header.ts'
import { crc32c } from '../util/crc32c.ts'
import type { Offset } from '../util/numbers.ts'
import type { DiskFile } from './disk.ts'

const windowBytes = 1024 * 1024

export type ScanStep =
  | { kind: 'batch'; header: BatchHeader; position: number }
  | { kind: 'end' }
  | { kind: 'damage'; position: number; expectedOffset: Offset; reason: string; isIncomplete: boolean }

export class SegmentScanner {
  readonly #file: DiskFile
  readonly #sizeBytes: number
  #window: Uint8Array = new Uint8Array(0)
  #windowStart = 0
  #position: number
  #expectedOffset: Offset
  #latestEpoch: number

  /** `latestEpoch`: of the batch before, -1 for none; epochs never go back. */
  constructor(file: DiskFile, sizeBytes: number, position: number, expectedOffset: Offset, latestEpoch: number) {
    this.#file = file
    this.#sizeBytes = sizeBytes
    this.#position = position
    this.#expectedOffset = expectedOffset
    this.#latestEpoch = latestEpoch
  }

  async next(): Promise<ScanStep> {
    const position = this.#position
    const leftBytes = this.#sizeBytes - position
    if (leftBytes === 0) return { kind: 'end' }
    if (leftBytes < batchHeaderBytes) return this.#damage('the file ends inside a batch header', true)
    await this.#need(batchHeaderBytes)
    const header = readBatchHeader(this.#window, position - this.#windowStart)
    const fault = headerFault(header, this.#expectedOffset) ?? this.#epochFault(header)
    if (fault !== null) return this.#damage(fault, false)
    if (header.sizeBytes > leftBytes) return this.#damage('the file ends inside a batch', true)
    await this.#need(header.sizeBytes)
    const at = position - this.#windowStart
    if (crc32c(this.#window, at + crcRangeStart, at + header.sizeBytes) !== header.crc) {
      return this.#damage('the CRC of the batch does not match', false)
    }
    this.#position += header.sizeBytes
    this.#expectedOffset = endOffsetOf(header)
    this.#latestEpoch = header.leaderEpoch
    return { kind: 'batch', header, position }
  }

  #epochFault(header: BatchHeader): string | null {
    return header.leaderEpoch < Math.max(0, this.#latestEpoch) ? 'its leader epoch is older than the one before' : null
  }

  #damage(reason: string, isIncomplete: boolean): ScanStep {
    return {
      kind: 'damage',
      position: this.#position,
      expectedOffset: this.#expectedOffset,
      reason,
      isIncomplete,
    }
  }

  /** Has `count` bytes from the current position in the window. */
  async #need(count: number): Promise<void> {
    const at = this.#position - this.#windowStart
    if (at >= 0 && at + count <= this.#window.length) return
    const wanted = Math.min(Math.max(count, windowBytes), this.#sizeBytes - this.#position)
    this.#window = await this.#file.read(this.#position, wanted)
    this.#windowStart = this.#position
  }
}
