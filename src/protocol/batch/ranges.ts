/**
 * Checks what a leader sent before a follower appends it: the bytes go into the log as they are, and what is in a log is
 * believed. Records are not looked into: the leader did that, and the CRC vouches for them since.
 */
import { crc32c } from '../../util/crc32c.ts'
import { type LeaderEpoch, type Offset, toLeaderEpoch } from '../../util/numbers.ts'
import type { Failure } from '../errors.ts'
import { batchHeaderBytes, crcRangeStart, endOffsetOf, headerFault, readBatchHeader } from './header.ts'

/** One of several batches back to back. */
export interface StoredRange {
  readonly baseOffset: Offset
  /** Exclusive. */
  readonly endOffset: Offset
  readonly leaderEpoch: LeaderEpoch
  /** Where it begins in the bytes. */
  readonly position: number
}

/** The batches in `bytes`, if each is as it was written, they follow one another without gaps, and epochs only rise. */
export function storedRanges(bytes: Uint8Array): StoredRange[] | Failure {
  const ranges: StoredRange[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + batchHeaderBytes > bytes.length) return corrupt('the bytes end within the header of a batch')
    const header = readBatchHeader(bytes, at)
    const { baseOffset, sizeBytes } = header
    const last = ranges.at(-1)
    const fault = headerFault(header, last?.endOffset ?? null)
    if (fault !== null) return corrupt(fault)
    if (at + sizeBytes > bytes.length) return corrupt('the bytes end within a batch')
    if (crc32c(bytes, at + crcRangeStart, at + sizeBytes) !== header.crc) return corrupt('the CRC of a batch is wrong')
    if (header.leaderEpoch < (last?.leaderEpoch ?? 0))
      return corrupt('leader epochs go back from one batch to the next')
    const leaderEpoch = toLeaderEpoch(header.leaderEpoch)
    ranges.push({ baseOffset, endOffset: endOffsetOf(header), leaderEpoch, position: at })
    at += sizeBytes
  }
  return ranges
}

function corrupt(reason: string): Failure {
  return { error: 'CORRUPT_MESSAGE', message: `Of the batches that came, ${reason}.` }
}
