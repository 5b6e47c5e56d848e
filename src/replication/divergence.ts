/**
 * Where two logs part: found from their histories of leader epochs, in as many round trips as there are epochs in which
 * they differ, not one for each record (KIP-101, KIP-279; Raft, end of section 5.3).
 */
import { type LeaderEpoch, noEpoch, type Offset, toLeaderEpoch } from '../util/numbers.ts'
import type { LogView } from './types.ts'

export interface Hint {
  readonly hintEpoch: number
  /** Exclusive. */
  readonly endOffset: Offset
}

/** Epoch of the record before `offset`; `noEpoch` where the log begins. */
export function epochBefore(log: LogView, offset: Offset): number {
  return offset > log.logStartOffset ? log.epochAt(offset - 1) : noEpoch
}

/**
 * What a follower says whose record before `fromOffset` is not of `prevEpoch`, or missing: the newest epoch it has there
 * that is not above `prevEpoch`, and where that ends.
 */
export function hintBelow(log: LogView, fromOffset: Offset, prevEpoch: number): Hint {
  const lastOffset = Math.min(fromOffset, log.logEndOffset) - 1
  if (lastOffset < log.logStartOffset) return { hintEpoch: noEpoch, endOffset: log.logStartOffset }
  const own = log.epochAt(lastOffset)
  const found = log.endOffsetForEpoch(toLeaderEpoch(Math.min(own, prevEpoch)))
  if (found === null) return { hintEpoch: noEpoch, endOffset: log.logStartOffset }
  return { hintEpoch: found.epoch, endOffset: Math.min(found.endOffset, lastOffset + 1) }
}

/**
 * What a reader is told whose last record before `fromOffset` was of `lastEpoch` (KIP-595): `null` if the log has it, or
 * has nothing to compare there. Two records of one offset and epoch are the same, and so is all before them.
 */
export function readerDivergence(log: LogView, fromOffset: Offset, lastEpoch: number): Hint | null {
  if (lastEpoch === noEpoch) return null
  if (fromOffset <= log.logEndOffset) {
    const own = epochBefore(log, fromOffset)
    if (own === noEpoch || own === lastEpoch) return null
  }
  return hintBelow(log, fromOffset, lastEpoch)
}

/**
 * Where the leader tries next. Below `fromOffset`, unless the follower said nonsense: the epochs there differ, so one of
 * the two logs leaves the hinted epoch before.
 */
export function nextAfter(log: LogView, fromOffset: Offset, { hintEpoch, endOffset }: Hint): Offset {
  const own = hintEpoch === noEpoch ? null : log.endOffsetForEpoch(hintEpoch as LeaderEpoch)
  const next = own === null ? log.startBatchOffset : Math.min(own.endOffset, endOffset)
  return Math.max(log.startBatchOffset, Math.min(next, fromOffset))
}
