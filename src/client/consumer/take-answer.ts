/** What the answer of a fetch means for a partition. */
import { splitBatches } from '../../protocol/batch/decoder.ts'
import { ApiError, type ErrorName, errorName, errorTable } from '../../protocol/errors.ts'
import { nameOf } from '../by-leader.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { EpochEnd } from './epoch-trail.ts'
import type { FetchAnswer } from './fetch-request.ts'
import { LogTruncatedError } from './log-truncated-error.ts'
import type { OutOfRangePolicy } from './types.ts'

export type AnswerOutcome =
  | { readonly kind: 'taken' }
  /** Nothing was taken, and what was fetched ahead is dropped: it is not in the log any more. */
  | { readonly kind: 'dropped' }
  /** Nothing was taken: another replica is nearer. */
  | { readonly kind: 'named'; readonly nodeId: number }
  /** Nothing was taken; ask again after a while, of another leader if `refreshMetadata`. */
  | { readonly kind: 'retry'; readonly code: ErrorName; readonly refreshMetadata: boolean }
  /** The position, or what was handed out before it, was not in the log any more; it is now where the policy says. */
  | { readonly kind: 'reset'; readonly error: ApiError }
  | { readonly kind: 'failed'; readonly error: ApiError }

/** Takes in the batches of an answer, or says why there are none. */
export function takeAnswer(
  partition: AssignedPartition,
  answer: FetchAnswer,
  leaderEpoch: number,
  onOffsetOutOfRange: OutOfRangePolicy,
): AnswerOutcome {
  const code = errorName(answer.errorCode)
  if (code === null) {
    if (answer.divergingEpoch !== null) return diverged(partition, answer.divergingEpoch, onOffsetOutOfRange)
    if (answer.preferredReadReplica >= 0) return { kind: 'named', nodeId: answer.preferredReadReplica }
    partition.failures = 0
    partition.isCompared = true
    // A new leader may know less of what is committed than the last one did, and a follower less than its leader.
    partition.highWatermark = Math.max(partition.highWatermark, answer.highWatermark)
    partition.logStartOffset = answer.logStartOffset
    if (answer.records.length === 0) partition.onNothingMore(leaderEpoch, answer.highWatermark)
    return takeBatches(partition, answer.records as Uint8Array)
  }
  const error = new ApiError(code, `${nameOf(partition)}: ${answer.errorMessage ?? errorTable[code].message}`)
  if (code === 'OFFSET_OUT_OF_RANGE') return outOfRange(partition, error, onOffsetOutOfRange)
  if (error.isRetriable) return { kind: 'retry', code, refreshMetadata: errorTable[code].refreshMetadata }
  return { kind: 'failed', error }
}

function takeBatches(partition: AssignedPartition, records: Uint8Array): AnswerOutcome {
  if (records.length === 0) return { kind: 'taken' }
  let batches: Uint8Array[] = []
  try {
    // In Node what comes from a socket is a `Buffer`, whose views cost twice as much: there is one per key and value.
    batches = splitBatches(new Uint8Array(records.buffer, records.byteOffset, records.length))
  } catch {
    // Damaged lengths: there is no telling where the next batch begins, which is what the failure below says.
  }
  if (batches.length > 0 && batches.every(batch => partition.accept(batch))) return { kind: 'taken' }
  const { fetchOffset } = partition
  const what = `what was fetched at offset ${fetchOffset} is no sequence of record batches`
  const message = `${nameOf(partition)}: ${what}; seek to ${fetchOffset + 1} or further to go past it`
  return { kind: 'failed', error: new ApiError('CORRUPT_MESSAGE', message) }
}

/** The log was cut below `fetchOffset`. Whether also below what was handed out, the next fetch asks if this one did not. */
function diverged(partition: AssignedPartition, end: EpochEnd, policy: OutOfRangePolicy): AnswerOutcome {
  const { trail, position, fetchOffset, stopOffset } = partition
  const { commonEnd, epochs } = trail.parting(fetchOffset, end)
  const isAhead = fetchOffset > position
  // Both are of a log that is no more. The end is looked for anew, but not before the position is one of the log.
  partition.highWatermark = -1
  const isStopGone = stopOffset !== null && stopOffset > commonEnd
  if (isStopGone && (!isAhead || position <= commonEnd)) partition.stopOffset = -1
  if (isAhead) {
    partition.forget()
    return { kind: 'dropped' }
  }
  const error = new LogTruncatedError(partition, position, commonEnd, epochs)
  if (policy === 'error') return { kind: 'failed', error }
  partition.jump({ offset: commonEnd, epochs })
  return { kind: 'reset', error }
}

function outOfRange(partition: AssignedPartition, error: ApiError, policy: OutOfRangePolicy): AnswerOutcome {
  if (policy === 'error') {
    const advice = `Offset ${partition.fetchOffset} was asked for; seek, or set onOffsetOutOfRange to 'start' or 'end'.`
    return { kind: 'failed', error: new ApiError('OFFSET_OUT_OF_RANGE', `${error.message} ${advice}`) }
  }
  // What was fetched before is handed out first; by the next attempt it may be.
  if (partition.batches.length > 0) return { kind: 'retry', code: error.code, refreshMetadata: false }
  partition.jump({ offset: policy })
  return { kind: 'reset', error }
}
