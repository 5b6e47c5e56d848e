/**
 * One partition's replica in the role of leader: what each replica has acknowledged, who is in sync, and from both the
 * high watermark. Facts in, state out; the driver in `broker/` brings acknowledgements and metadata and acts on moves.
 *
 * Invariants (SPEC.md): the high watermark never goes back within an epoch (HW1); it is never above the acknowledged
 * end of a member of the ISR when it moves (HW2); it moves only while the ISR has `min.insync.replicas` members (HW3).
 */
import { assert, assertAtMost, assertCount } from '../util/assert.ts'
import type { LeaderEpoch, NodeId, Offset } from '../util/numbers.ts'

export interface LeaderTerms {
  readonly leaderEpoch: LeaderEpoch
  /** In-sync replicas as committed in the metadata; the leader is one of them. */
  readonly isr: readonly NodeId[]
  readonly minInsyncReplicas: number
}

export interface LeaderReplicaOptions extends LeaderTerms {
  readonly localId: NodeId
  /** Exclusive end of what this replica has durably, by the log's policy. */
  readonly localEndOffset: Offset
  /** What this replica already knew to be committed: the high watermark begins here. */
  readonly highWatermark: Offset
}

export class LeaderReplica {
  readonly localId: NodeId
  readonly leaderEpoch: LeaderEpoch
  #isr: readonly NodeId[]
  #minInsyncReplicas: number
  /** Exclusive ends; a replica that has acknowledged nothing in this epoch is not in it. */
  readonly #acknowledgedEnds = new Map<NodeId, Offset>()
  #highWatermark: Offset

  constructor(options: LeaderReplicaOptions) {
    assert(options.isr.includes(options.localId), 'the leader is in the ISR')
    assertCount(options.highWatermark, 'highWatermark')
    assertAtMost(options.highWatermark, options.localEndOffset, 'highWatermark <= localEndOffset')
    this.localId = options.localId
    this.leaderEpoch = options.leaderEpoch
    this.#isr = options.isr
    this.#minInsyncReplicas = options.minInsyncReplicas
    this.#highWatermark = options.highWatermark
    this.acknowledge(options.localId, options.localEndOffset)
  }

  /** Exclusive end of what is committed: what consumers may read and what `acks=all` waits for. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  get isr(): readonly NodeId[] {
    return this.#isr
  }

  /** Whether `acks=all` may be accepted at all. */
  get hasMinIsr(): boolean {
    return this.#isr.length >= this.#minInsyncReplicas
  }

  /**
   * A replica has everything below `endOffset`, durably. An acknowledgement that arrives late and says less than an
   * earlier one is ignored. Returns whether the high watermark moved.
   */
  acknowledge(replicaId: NodeId, endOffset: Offset): boolean {
    assertCount(endOffset, 'acknowledged endOffset')
    const known = this.#acknowledgedEnds.get(replicaId)
    if (known !== undefined && endOffset <= known) return false
    this.#acknowledgedEnds.set(replicaId, endOffset)
    return this.#maybeAdvance()
  }

  /** The ISR or `min.insync.replicas` changed within this epoch. Returns whether the high watermark moved. */
  reconfigure(terms: LeaderTerms): boolean {
    assert(terms.leaderEpoch === this.leaderEpoch, 'a new epoch is a new LeaderReplica')
    assert(terms.isr.includes(this.localId), 'the leader is in the ISR')
    this.#isr = terms.isr
    this.#minInsyncReplicas = terms.minInsyncReplicas
    return this.#maybeAdvance()
  }

  #maybeAdvance(): boolean {
    if (!this.hasMinIsr) return false
    let lowest = Number.POSITIVE_INFINITY
    for (const replicaId of this.#isr) lowest = Math.min(lowest, this.#acknowledgedEnds.get(replicaId) ?? 0)
    // A member that joined the ISR in this epoch may still stand below what was committed before: no way back.
    if (lowest <= this.#highWatermark) return false
    assertAtMost(lowest, this.#acknowledgedEnds.get(this.localId) ?? 0, 'highWatermark <= local durable end')
    this.#highWatermark = lowest
    return true
  }
}
