/** What the two sides of a partition's replication say to each other, and what they must know of the log below them. */
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../util/numbers.ts'

/** The log of a replica as it is now, including what is appended and not yet durable. */
export interface LogView {
  /** First offset that may be read. */
  readonly logStartOffset: Offset
  /** Base offset of the batch that contains `logStartOffset`: below it when records inside a batch were deleted. */
  readonly startBatchOffset: Offset
  /** Exclusive. */
  readonly logEndOffset: Offset
  /** Newest leader epoch in the log, or `null` when it is empty. */
  readonly latestEpoch: LeaderEpoch | null
  /** Leader epoch of the record at `offset`, which is in the log. */
  epochAt(offset: Offset): LeaderEpoch
  /** The newest epoch at or below `epoch` and its exclusive end (KIP-101, KIP-279), or `null` when there is none so old. */
  endOffsetForEpoch(epoch: LeaderEpoch): { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | null
}

/** One partition's part of an AppendEntries request, without the bytes. */
export interface AppendItem {
  readonly leaderEpoch: LeaderEpoch
  /** Where the batches begin. */
  readonly fromOffset: Offset
  /** Leader epoch of the record before `fromOffset`; `noEpoch`: the leader's log begins at `fromOffset`. */
  readonly prevEpoch: number
  /** Exclusive end of what is committed, as the leader knew when it sent this. */
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** In order and without gaps, from `fromOffset` on. Possibly none. */
  readonly batches: readonly BatchRange[]
}

/** Where a record batch stands in the log. */
export interface BatchRange {
  readonly baseOffset: Offset
  /** Exclusive. */
  readonly endOffset: Offset
  readonly leaderEpoch: LeaderEpoch
}

/** A follower's answer to one item, when it is no error. */
export interface AppendAnswer {
  /** The two logs are the same up to the end of what the item brought. */
  readonly isMatch: boolean
  /**
   * With `isMatch`: exclusive end of what the follower has durably and in common with this leader. Without: exclusive end
   * of `hintEpoch` in the follower's log.
   */
  readonly endOffset: Offset
  /** Without `isMatch`: the newest epoch, not above `prevEpoch`, below `fromOffset` in the follower's log; `noEpoch` for none. */
  readonly hintEpoch: number
  /** Of the registration the follower runs under (KIP-903). */
  readonly brokerEpoch: BrokerEpoch
}

/** Who shall be in sync, each with the registration under which it acknowledged what makes it so (KIP-903). */
export interface IsrMember {
  readonly nodeId: NodeId
  readonly brokerEpoch: BrokerEpoch
}
