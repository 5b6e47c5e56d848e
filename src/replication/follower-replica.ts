/**
 * One partition's replica in the role of follower, for one leader epoch: what to do with an append, how far the log is
 * known to be the leader's, and what of it is committed. Facts in, a decision out; the driver in `broker/` does it to the
 * log and reports back. Invariants F1 to F6 are in SPEC.md.
 *
 *   append ─decide─► refused | mismatch(hint) | restart, decide again | truncate, decide again | take ─onTaken─► acknowledged
 */
import { assert, assertAtMost, assertCount } from '../util/assert.ts'
import { type LeaderEpoch, noEpoch, type Offset } from '../util/numbers.ts'
import { epochBefore, type Hint, hintBelow } from './divergence.ts'
import { type ReplicationRules, soundReplicationRules } from './rules.ts'
import type { AppendItem, LogView } from './types.ts'

export interface FollowerReplicaOptions {
  readonly leaderEpoch: LeaderEpoch
  /** Of the partition: the last leader epoch that began with an unclean election; -1 for none. */
  readonly uncleanEpoch: LeaderEpoch
  /** What this replica knows to be committed. */
  readonly highWatermark: Offset
  /** The leader epoch it learned that in; of the last record below it when that is not known. */
  readonly highWatermarkEpoch: number
  readonly rules?: ReplicationRules
}

export type FollowerStep =
  | { readonly kind: 'refused'; readonly error: 'FENCED_LEADER_EPOCH' | 'UNKNOWN_LEADER_EPOCH' }
  | ({ readonly kind: 'mismatch' } & Hint)
  /** Nothing here is in the leader's log: drop everything, go on empty at `at`, and decide again. */
  | { readonly kind: 'restart'; readonly at: Offset }
  /** Remove what is at and above `to`, and decide again. */
  | { readonly kind: 'truncate'; readonly to: Offset }
  /** Append the batches from the `skip`th on (none, when `skip` is their number), then call `onTaken`. */
  | { readonly kind: 'take'; readonly skip: number }

export class FollowerReplica {
  readonly leaderEpoch: LeaderEpoch
  readonly #rules: ReplicationRules
  #uncleanEpoch: LeaderEpoch
  /** Exclusive: below it this log is the leader's of this epoch. Only rises. */
  #matchedEnd: Offset = 0
  #highWatermark: Offset
  #highWatermarkEpoch: number

  constructor(options: FollowerReplicaOptions) {
    assertCount(options.highWatermark, 'highWatermark')
    this.leaderEpoch = options.leaderEpoch
    this.#uncleanEpoch = options.uncleanEpoch
    this.#highWatermark = options.highWatermark
    this.#highWatermarkEpoch = options.highWatermarkEpoch
    this.#rules = options.rules ?? soundReplicationRules
  }

  /** Exclusive end of what this replica knows to be committed. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The leader epoch it learned that in. */
  get highWatermarkEpoch(): number {
    return this.#highWatermarkEpoch
  }

  get matchedEnd(): Offset {
    return this.#matchedEnd
  }

  /** The metadata told of an unclean election, at the latest with the epoch that began with it. */
  onUncleanEpoch(uncleanEpoch: LeaderEpoch): void {
    this.#uncleanEpoch = uncleanEpoch
  }

  decide(item: AppendItem, log: LogView): FollowerStep {
    if (item.leaderEpoch < this.leaderEpoch && this.#rules.oldEpochsAreFenced) {
      return { kind: 'refused', error: 'FENCED_LEADER_EPOCH' }
    }
    if (item.leaderEpoch > this.leaderEpoch) return { kind: 'refused', error: 'UNKNOWN_LEADER_EPOCH' }
    const { fromOffset, prevEpoch } = item
    if (log.logEndOffset < fromOffset) {
      if (prevEpoch === noEpoch) return { kind: 'restart', at: fromOffset }
      return { kind: 'mismatch', ...hintBelow(log, fromOffset, prevEpoch) }
    }
    // Where the leader's log begins, or ours, there is nothing to compare; what follows is compared batch by batch.
    const own = epochBefore(log, fromOffset)
    if (this.#rules.logsMustMatch && prevEpoch !== noEpoch && own !== noEpoch && own !== prevEpoch) {
      return { kind: 'mismatch', ...hintBelow(log, fromOffset, prevEpoch) }
    }
    return this.#take(item, log)
  }

  /**
   * The batches of the item are appended: together with what was there before, the log is the leader's up to their end, which
   * is returned (exclusive).
   */
  onTaken(item: AppendItem, log: LogView): Offset {
    const endOffset = item.batches.at(-1)?.endOffset ?? item.fromOffset
    assertAtMost(endOffset, log.logEndOffset, 'what was taken is in the log')
    this.#matchedEnd = Math.max(this.#matchedEnd, endOffset)
    const commonEnd = this.#rules.highWatermarkStaysInCommonPart ? this.#matchedEnd : log.logEndOffset
    const highWatermark = Math.min(item.highWatermark, commonEnd)
    if (highWatermark > this.#highWatermark) {
      this.#highWatermark = highWatermark
      this.#highWatermarkEpoch = this.leaderEpoch
    }
    return endOffset
  }

  /** What this replica may say it has, with a log that is durable up to `durableEndOffset`. */
  acknowledgedEnd(log: LogView & { readonly durableEndOffset: Offset }): Offset {
    const durableEnd = this.#rules.onlyDurableIsAcknowledged ? log.durableEndOffset : log.logEndOffset
    return this.#rules.onlyCommonPartIsAcknowledged ? Math.min(durableEnd, this.#matchedEnd) : durableEnd
  }

  /**
   * Called before the log is cut or begun anew at `offset`. Below what was known to be committed only an unclean election
   * since then may cut; anything else would lose what somebody was promised, and stops the node.
   */
  onCut(offset: Offset): void {
    if (offset >= this.#highWatermark) return
    assertAtMost(this.#highWatermarkEpoch + 1, this.#uncleanEpoch, 'no cut below the high watermark')
    this.#highWatermark = offset
    this.#highWatermarkEpoch = this.leaderEpoch
  }

  #take(item: AppendItem, log: LogView): FollowerStep {
    let skip = 0
    for (const batch of item.batches) {
      if (batch.baseOffset >= log.logEndOffset) break
      if (!this.#isHeld(batch.baseOffset, batch.endOffset, batch.leaderEpoch, log)) {
        return this.#cut(item, batch.baseOffset, batch.leaderEpoch, log)
      }
      skip++
    }
    const next = item.batches[skip]
    if (next === undefined) return { kind: 'take', skip }
    assert(next.baseOffset === log.logEndOffset, 'batches follow one another without gaps')
    // Only below a leader's log start, where nothing was compared, can the log be of a newer epoch than what comes.
    return epochBefore(log, next.baseOffset) > next.leaderEpoch
      ? { kind: 'restart', at: next.baseOffset }
      : { kind: 'take', skip }
  }

  #isHeld(baseOffset: Offset, endOffset: Offset, leaderEpoch: LeaderEpoch, log: LogView): boolean {
    // Deleted records were committed: nobody needs them again.
    if (endOffset <= log.logStartOffset || endOffset <= this.#matchedEnd) return this.#rules.heldBatchesStay
    if (endOffset > log.logEndOffset) return false
    return !this.#rules.conflictsAreCut || log.epochAt(Math.max(baseOffset, log.logStartOffset)) === leaderEpoch
  }

  #cut(item: AppendItem, baseOffset: Offset, leaderEpoch: LeaderEpoch, log: LogView): FollowerStep {
    if (this.#rules.heldBatchesStay) assertAtMost(this.#matchedEnd, baseOffset, 'a leader does not contradict itself')
    const isAtStart = baseOffset <= log.logStartOffset
    const isUncompared = item.prevEpoch === noEpoch && baseOffset === item.fromOffset
    if (isAtStart || (isUncompared && epochBefore(log, baseOffset) > leaderEpoch))
      return { kind: 'restart', at: baseOffset }
    return { kind: 'truncate', to: baseOffset }
  }
}
