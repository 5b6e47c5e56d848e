/**
 * One partition being read:
 *
 *     handed out ─ position ─ batches that wait here ─ fetchOffset ─ to be fetched ─ highWatermark
 *
 * Every jump (seek, pause, unassign) raises `generation`, so that answers and batches from before it are recognised
 * and dropped. A failure stands behind what was fetched before it and stays until the position is set anew.
 */
import { readBatchHeader } from '../../protocol/batch/header.ts'
import { assert } from '../../util/assert.ts'
import { Fifo } from '../../util/fifo.ts'
import { noEpoch } from '../../util/numbers.ts'
import { EpochTrail } from './epoch-trail.ts'
import type { EpochStart, StartPosition } from './types.ts'

/** A fetch that is on its way, for one partition. */
export interface PartitionFetch {
  /** The partition's when it was sent: an answer to an older one is about a position that was left. */
  readonly generation: number
  readonly nodeId: number
  readonly leaderEpoch: number
}

/** Where to begin, and what is known of the records before. */
export interface Start {
  readonly offset: StartPosition
  readonly epochs?: readonly EpochStart[] | undefined
}

/** Bytes that wait in all partitions of a consumer together. */
export interface Budget {
  bytes: number
}

export class AssignedPartition {
  readonly topic: string
  readonly partition: number
  /** Of the topic the position belongs to; `null` until it is known. */
  topicId: string | null = null
  /** Where to begin, until that is turned into an offset; then `null`. */
  start: StartPosition | null
  /** Next offset to be handed out; -1 until known. */
  position = -1
  /** Next offset to be fetched; not below `position`. */
  fetchOffset = -1
  /** Of what was fetched, up to `fetchOffset`. */
  readonly trail = new EpochTrail()
  generation = 0
  isPaused = false
  /** The fetch whose answer counts; `null` for none, or when nobody waits for it any more. */
  fetch: PartitionFetch | null = null
  /** A nearer replica that the leader has named, and until when to read there, on the monotonic clock. */
  nearest: { readonly nodeId: number; readonly untilMs: number } | null = null
  /** On the monotonic clock: until then the leader is read, because the replica it named was of no use. */
  leaderOnlyUntilMs = 0
  /** It is in the line of partitions that have something for the application. */
  isReady = false
  readonly batches = new Fifo<Uint8Array>()
  bufferedBytes = 0
  /** Exclusive; -1 until known. */
  highWatermark = -1
  logStartOffset = -1
  /** Nothing from here on is handed out; `null` for no end, -1 until it is known. */
  stopOffset: number | null
  /** The stop is not moved beyond this by looking it up again. */
  #stopOffsetMax = Number.POSITIVE_INFINITY
  /** No leader up to this epoch makes it necessary to look the stop up again. */
  #stopEpoch = -1
  /** The log was found to have the position and the record before it, or of which epoch that is was not known. */
  isCompared = true
  failure: Error | null = null
  /** Attempts in a row that failed, and until when to wait for the next, on the monotonic clock. */
  failures = 0
  notBeforeMs = 0
  /** Leader epoch of the last failure that a newer leader may put right; -1 for none. */
  failedEpoch = -1
  /** Another node may lead it since. */
  wantsSuccessor = false
  /** Since when the cluster does not know it, on the monotonic clock; `null` while it does. */
  unknownSinceMs: number | null = null
  readonly #budget: Budget

  constructor(topic: string, partition: number, start: Start, untilEnd: boolean, budget: Budget) {
    this.#budget = budget
    this.topic = topic
    this.partition = partition
    this.start = start.offset
    this.stopOffset = untilEnd ? -1 : null
    this.jump(start)
  }

  /** Forgets what is buffered and continues at `start`. */
  jump({ offset: start, epochs = [] }: Start): void {
    this.forget()
    this.failure = null
    this.failures = 0
    this.notBeforeMs = 0
    this.failedEpoch = -1
    this.highWatermark = -1
    const isOffset = typeof start === 'number' && start >= 0
    this.start = isOffset ? null : start
    this.position = isOffset ? start : -1
    this.fetchOffset = this.position
    this.trail.restart(this.position, epochs)
    this.isCompared = this.trail.epochBefore(this.position) === noEpoch
  }

  /** `start` was looked up. */
  locate(offset: number): void {
    this.start = null
    this.position = offset
    this.fetchOffset = offset
  }

  /** The end was looked up, and is where to stop. */
  stopAt(endOffset: number): void {
    this.stopOffset = Math.min(endOffset, this.#stopOffsetMax)
    this.#stopOffsetMax = Number.POSITIVE_INFINITY
  }

  /**
   * The leader of `leaderEpoch` has nothing more to give below `highWatermark`. One that was elected since the end was looked
   * up may never have had all of it (an unclean election), or not know yet that it is committed.
   */
  onNothingMore(leaderEpoch: number, highWatermark: number): void {
    if (this.stopOffset === null || highWatermark >= this.stopOffset || leaderEpoch <= this.#stopEpoch) return
    this.#stopEpoch = leaderEpoch
    this.#stopOffsetMax = this.stopOffset
    this.stopOffset = -1
  }

  /** Drops what was fetched ahead; it will be fetched again. */
  forget(): void {
    this.generation++
    this.batches.clear()
    this.#budget.bytes -= this.bufferedBytes
    this.bufferedBytes = 0
    this.fetchOffset = this.position
    this.trail.cut(this.position)
  }

  get isLocated(): boolean {
    return this.start === null && this.stopOffset !== -1
  }

  /** Everything up to `stopOffset` was handed out, and what was handed out by an earlier consumer is in the log. */
  get isDone(): boolean {
    return (
      this.stopOffset !== null &&
      this.isLocated &&
      this.failure === null &&
      this.isCompared &&
      this.position >= this.stopOffset
    )
  }

  /** Something is waiting for the application: batches, or the error behind them. */
  get hasNews(): boolean {
    return this.batches.length > 0 || this.failure !== null
  }

  /** Takes in a batch that continues at `fetchOffset`; false if it does not, and then nothing changed. */
  accept(batch: Uint8Array): boolean {
    const { baseOffset, lastOffsetDelta, leaderEpoch } = readBatchHeader(batch, 0)
    const next = baseOffset + lastOffsetDelta + 1
    if (!Number.isSafeInteger(next) || next <= this.fetchOffset) return false
    this.batches.push(batch)
    this.bufferedBytes += batch.length
    this.#budget.bytes += batch.length
    this.fetchOffset = next
    this.trail.append(leaderEpoch, baseOffset)
    return true
  }

  shift(): Uint8Array | undefined {
    const batch = this.batches.shift()
    if (batch === undefined) return undefined
    this.bufferedBytes -= batch.length
    this.#budget.bytes -= batch.length
    assert(this.bufferedBytes >= 0, 'buffered bytes are not negative')
    return batch
  }
}

/** The offset that follows the batch's last one, records or none. */
export function nextOffsetOf(batch: Uint8Array): number {
  const { baseOffset, lastOffsetDelta } = readBatchHeader(batch, 0)
  return baseOffset + lastOffsetDelta + 1
}
