/**
 * What a leader knows of one follower of a partition: where it stands, what is on its way to it, and since when it has
 * everything.
 *
 *   probe (one append at a time) ──match──► replicate (many) ──mismatch, refusal, lost link, restart──► probe
 */
import { assertAtMost } from '../util/assert.ts'
import type { BrokerEpoch, NodeId, Offset } from '../util/numbers.ts'
import type { ReplicationRules } from './rules.ts'

/** An append on its way: what its answer must be read with. */
export interface Sent {
  readonly generation: number
  readonly fromOffset: Offset
  /** Exclusive end of what was sent; `fromOffset` when that was nothing. */
  readonly endOffset: Offset
  /** That was sent with it. */
  readonly highWatermark: Offset
}

export class FollowerProgress {
  readonly nodeId: NodeId
  readonly #rules: ReplicationRules
  state: 'probe' | 'replicate' = 'probe'
  /** Raised by every reset: answers to what was sent before count for nothing. */
  generation = 0
  /** Where the next append begins. */
  nextOffset: Offset
  /** Highest high watermark that was sent in this generation. */
  sentHighWatermark: Offset = 0
  /** Highest high watermark that it has answered to. */
  heardHighWatermark: Offset = 0
  /** Appends without an answer. */
  inFlight = 0
  /** The registration under which it acknowledged; `null` before it did. */
  brokerEpoch: BrokerEpoch | null = null
  /** Exclusive end of what it has durably and in common; `null` before it said so. Only rises within a life of the broker. */
  matchEnd: Offset | null = null
  /** When it was last known to have everything there was; at first, when the leader began to wait for it. */
  caughtUpMs: number
  /** Whether it ever had everything in this epoch. */
  hasCaughtUp = false
  #mark: { readonly endOffset: Offset; readonly atMs: number }

  constructor(nodeId: NodeId, logEndOffset: Offset, nowMs: number, rules: ReplicationRules) {
    this.nodeId = nodeId
    this.nextOffset = logEndOffset
    this.caughtUpMs = nowMs
    this.#mark = { endOffset: logEndOffset, atMs: nowMs }
    this.#rules = rules
  }

  sent(endOffset: Offset, highWatermark: Offset): void {
    this.inFlight++
    this.nextOffset = Math.max(this.nextOffset, endOffset)
    this.sentHighWatermark = Math.max(this.sentHighWatermark, highWatermark)
  }

  /** Begins again at `nextOffset`, one append at a time. */
  reset(nextOffset: Offset): void {
    this.generation++
    this.state = 'probe'
    this.inFlight = 0
    this.sentHighWatermark = 0
    this.nextOffset = nextOffset
  }

  /** The broker began another life: what it had may be gone. */
  forget(logEndOffset: Offset): void {
    this.brokerEpoch = null
    if (!this.#rules.restartsAreForgetting) return
    this.matchEnd = null
    this.heardHighWatermark = 0
    this.hasCaughtUp = false
    this.reset(logEndOffset)
  }

  acknowledged(endOffset: Offset, logEndOffset: Offset, nowMs: number): void {
    assertAtMost(endOffset, logEndOffset, 'a follower has no more than the leader')
    const known = this.matchEnd ?? 0
    this.matchEnd = this.#rules.matchEndOnlyRises ? Math.max(known, endOffset) : endOffset
    if (endOffset >= logEndOffset) {
      this.caughtUpMs = nowMs
      this.hasCaughtUp = true
    } else if (endOffset >= this.#mark.endOffset) {
      // Under steady load nobody ever has everything: having what there was a moment ago is as good.
      this.caughtUpMs = Math.max(this.caughtUpMs, this.#mark.atMs)
      this.hasCaughtUp = true
    } else return
    this.#mark = { endOffset: logEndOffset, atMs: nowMs }
  }
}
