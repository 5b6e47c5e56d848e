/**
 * One partition's replica in the role of leader, for one leader epoch: what each follower has acknowledged and is sent
 * next, who should be in sync, and from all of it the high watermark. Facts in, state out; the driver in `broker/` brings
 * answers and metadata, sends, and acts on moves. Invariants L1 to L9 are in SPEC.md.
 */
import { assert, assertAtMost, assertCount } from '../util/assert.ts'
import { type BrokerEpoch, type LeaderEpoch, type NodeId, noEpoch, type Offset } from '../util/numbers.ts'
import { epochBefore, nextAfter } from './divergence.ts'
import { FollowerProgress, type Sent } from './follower-progress.ts'
import { type ReplicationRules, soundReplicationRules } from './rules.ts'
import type { AppendAnswer, IsrMember, LogView } from './types.ts'

/** What the metadata say of the partition, as this node has them. */
export interface LeaderTerms {
  readonly leaderEpoch: LeaderEpoch
  /** Rises with every change of what follows. */
  readonly partitionEpoch: number
  readonly replicas: readonly NodeId[]
  /** In-sync replicas as committed; the leader is one of them. */
  readonly isr: readonly NodeId[]
  /** In-sync replicas below which nothing commits; never more than there are replicas. */
  readonly effectiveMinIsr: number
  /** Replicas that go, perhaps this one among them, as soon as it lets go of them; none while no move is so far. */
  readonly leaving: readonly NodeId[]
  /** Registration of each broker that may be in sync: not fenced, not about to stop. */
  readonly brokerEpochs: ReadonlyMap<NodeId, BrokerEpoch>
}

export interface LeaderReplicaOptions {
  readonly localId: NodeId
  readonly terms: LeaderTerms
  /** Exclusive end of what this replica has durably, by the log's policy. */
  readonly durableEndOffset: Offset
  /** Exclusive end of its log: whatever was committed before this epoch is below it. */
  readonly logEndOffset: Offset
  /** What this replica already knows to be committed: the high watermark begins here. */
  readonly highWatermark: Offset
  /** Of the monotonic clock. */
  readonly nowMs: number
  readonly rules?: ReplicationRules
}

/** What to send to a follower next. */
export interface NextAppend {
  readonly generation: number
  readonly fromOffset: Offset
  readonly prevEpoch: number
  /** Where to read from: above `fromOffset` only when the log begins inside a batch. */
  readonly readOffset: Offset
}

/** A change of the ISR that the controller is asked for. */
export interface IsrProposal {
  readonly partitionEpoch: number
  readonly isr: readonly IsrMember[]
}

export class LeaderReplica {
  readonly localId: NodeId
  readonly leaderEpoch: LeaderEpoch
  /** End of the log when this epoch began. What earlier leaders committed is below it. */
  readonly epochStartOffset: Offset
  readonly #rules: ReplicationRules
  readonly #followers = new Map<NodeId, FollowerProgress>()
  #terms: LeaderTerms
  /** Asked for, and perhaps committed already. */
  #proposal: IsrProposal | null = null
  /** What those that leave had taken is settled. */
  #hasLetGo = false
  #durableEndOffset: Offset
  #highWatermark: Offset

  constructor(options: LeaderReplicaOptions) {
    const { localId, terms, durableEndOffset, logEndOffset, highWatermark, nowMs } = options
    assertAtMost(highWatermark, logEndOffset, 'highWatermark <= logEndOffset')
    this.localId = localId
    this.leaderEpoch = terms.leaderEpoch
    this.epochStartOffset = logEndOffset
    this.#rules = options.rules ?? soundReplicationRules
    this.#terms = terms
    this.#durableEndOffset = durableEndOffset
    this.#highWatermark = highWatermark
    this.#meet(terms, logEndOffset, nowMs)
    this.#maybeAdvance()
  }

  /** Exclusive end of what is committed: what consumers may read and what `acks=all` waits for. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** Whether the high watermark is at least what any earlier leader showed to anybody (KIP-207). */
  get isHighWatermarkCurrent(): boolean {
    return this.#highWatermark >= this.epochStartOffset
  }

  get isr(): readonly NodeId[] {
    return this.#terms.isr
  }

  get partitionEpoch(): number {
    return this.#terms.partitionEpoch
  }

  /** Whether `acks=all` may be accepted at all. */
  get hasMinIsr(): boolean {
    return this.#terms.isr.length >= this.#terms.effectiveMinIsr
  }

  /** Some replicas go as soon as this one lets go of them. */
  get isLetGoAwaited(): boolean {
    return this.#terms.leaving.length > 0
  }

  /** It is one of them: another replica shall lead then. */
  get isLeaving(): boolean {
    return this.#terms.leaving.includes(this.localId)
  }

  /** Whether those that leave know what became of all that they took when they led before this epoch. */
  get haveLeavingHeard(): boolean {
    const { isr, leaving } = this.#terms
    if (this.#highWatermark < this.epochStartOffset) return false
    return leaving.every(id => {
      const follower = isr.includes(id) ? this.#followers.get(id) : undefined
      return follower === undefined || follower.heardHighWatermark >= this.epochStartOffset
    })
  }

  /** From now on the ISR is asked for without those that leave; until that is granted, or the move is given up, this one leads. */
  letGo(): void {
    this.#hasLetGo = true
  }

  get followers(): ReadonlyMap<NodeId, FollowerProgress> {
    return this.#followers
  }

  /** What the controller was asked for and has not answered. */
  get proposal(): IsrProposal | null {
    return this.#proposal
  }

  /** The log has more durably. Returns whether the high watermark moved. */
  onLocalProgress(durableEndOffset: Offset): boolean {
    assertCount(durableEndOffset, 'durableEndOffset')
    if (durableEndOffset <= this.#durableEndOffset) return false
    this.#durableEndOffset = durableEndOffset
    return this.#maybeAdvance()
  }

  /**
   * The metadata changed within this epoch; what is older than what is known is ignored. Returns whether the high watermark
   * moved.
   */
  reconfigure(terms: LeaderTerms, logEndOffset: Offset, nowMs: number): boolean {
    assert(terms.leaderEpoch === this.leaderEpoch, 'a new epoch is a new LeaderReplica')
    assert(terms.isr.includes(this.localId), 'the leader is in the ISR')
    if (terms.partitionEpoch < this.#terms.partitionEpoch) return false
    if (this.#proposal !== null && terms.partitionEpoch > this.#proposal.partitionEpoch) this.#proposal = null
    const { isLeaving } = this
    this.#terms = terms
    if (!this.isLetGoAwaited || isLeaving !== this.isLeaving) this.#hasLetGo = false
    this.#meet(terms, logEndOffset, nowMs)
    return this.#maybeAdvance()
  }

  /**
   * What to send to a follower now, or `null`: it has everything, its answer is waited for first, or a full disk has taken
   * back what was sent, and this epoch is about to be given up. `isAsked`: there is other news for one that has
   * everything, such as a log start.
   */
  next(nodeId: NodeId, log: LogView, isAsked = false): NextAppend | null {
    const follower = this.#followers.get(nodeId)
    if (follower === undefined) return null
    const { state, inFlight, generation } = follower
    if ((state === 'probe' && inFlight > 0) || follower.nextOffset > log.logEndOffset) return null
    const hasNews = follower.nextOffset < log.logEndOffset || follower.sentHighWatermark < this.#highWatermark
    if (state === 'replicate' && !hasNews && !isAsked) return null
    if (follower.nextOffset > log.logStartOffset) {
      const fromOffset = follower.nextOffset
      return { generation, fromOffset, prevEpoch: epochBefore(log, fromOffset), readOffset: fromOffset }
    }
    return { generation, fromOffset: log.startBatchOffset, prevEpoch: noEpoch, readOffset: log.logStartOffset }
  }

  /** The append that `next` asked for has left, with batches up to `endOffset` (its `fromOffset`: none). */
  onSent(nodeId: NodeId, { generation, fromOffset }: NextAppend, endOffset: Offset): Sent {
    this.#followers.get(nodeId)?.sent(endOffset, this.#highWatermark)
    return { generation, fromOffset, endOffset, highWatermark: this.#highWatermark }
  }

  /** A follower answered. Returns whether the high watermark moved. */
  onAnswer(nodeId: NodeId, sent: Sent, answer: AppendAnswer, log: LogView, nowMs: number): boolean {
    const follower = this.#followers.get(nodeId)
    if (follower === undefined) return false
    if (sent.generation !== follower.generation && this.#rules.staleAnswersDoNotCount) return false
    follower.inFlight = Math.max(0, follower.inFlight - 1)
    if (!this.#isCurrentLife(follower, answer, log)) return false
    if (!answer.isMatch) {
      follower.reset(nextAfter(log, sent.fromOffset, answer))
      return false
    }
    const endOffset = Math.min(answer.endOffset, log.logEndOffset)
    follower.state = 'replicate'
    // It was cut short of what was sent: by another life of its own, or by a leader that is none any more.
    if (endOffset < sent.endOffset) follower.reset(endOffset)
    follower.acknowledged(endOffset, log.logEndOffset, nowMs)
    follower.heardHighWatermark = Math.max(follower.heardHighWatermark, sent.highWatermark)
    return this.#maybeAdvance()
  }

  /** An append was refused, or its outcome is not known: whatever it was, the follower is asked again where it stands. */
  onFailed(nodeId: NodeId, sent: Sent): void {
    const follower = this.#followers.get(nodeId)
    if (follower === undefined || sent.generation !== follower.generation) return
    follower.reset(Math.min(sent.fromOffset, follower.matchEnd ?? sent.fromOffset))
  }

  /**
   * The connection to a broker is gone: nothing that was sent on it is answered any more, and whoever is there the next
   * time is asked where it stands, for it may have lost what it had.
   */
  onLinkLost(nodeId: NodeId): void {
    const follower = this.#followers.get(nodeId)
    follower?.reset(follower.matchEnd ?? follower.nextOffset)
  }

  /** Whether a member of the ISR is behind: only then can time alone change anything. */
  isAwaiting(logEndOffset: Offset): boolean {
    return this.#terms.isr.some(id => id !== this.localId && (this.#followers.get(id)?.matchEnd ?? -1) < logEndOffset)
  }

  /**
   * The change of the ISR that is due, or `null`. Members that have not had everything for `lagMsMax` leave, and those that
   * were let go; replicas that have everything that may be committed join.
   */
  proposeIsr(nowMs: number, lagMsMax: number, log: LogView): IsrProposal | null {
    if (this.#proposal !== null) return null
    const { isr, replicas, leaving, brokerEpochs } = this.#terms
    const isr2 = replicas.filter(id => {
      if (this.#hasLetGo && leaving.includes(id)) return false
      if (id === this.localId) return true
      // Whoever is cut off has all that is committed while nothing commits: it would join and leave in turn, for ever.
      return !this.#isLagging(id, nowMs, lagMsMax, log) && (isr.includes(id) || this.#mayJoin(id))
    })
    const isSame = isr2.length === isr.length && isr2.every(id => isr.includes(id))
    if (isSame) return null
    const members = isr2.flatMap((nodeId): IsrMember[] => {
      const brokerEpoch =
        (isr.includes(nodeId) ? null : this.#followers.get(nodeId)?.brokerEpoch) ?? brokerEpochs.get(nodeId)
      return brokerEpoch === undefined ? [] : [{ nodeId, brokerEpoch }]
    })
    if (!this.#hasLetGo && !members.some(({ nodeId }) => nodeId === this.localId)) return null
    this.#proposal = { partitionEpoch: this.#terms.partitionEpoch, isr: members }
    return this.#proposal
  }

  /** The controller refused, for certain. Without this, or a newer partition epoch, a proposal may still come true. */
  onProposalRefused(proposal: IsrProposal): void {
    if (this.#proposal === proposal) this.#proposal = null
  }

  /** Followers for all replicas but this one; those of brokers that registered anew begin again. */
  #meet({ replicas, brokerEpochs }: LeaderTerms, logEndOffset: Offset, nowMs: number): void {
    for (const id of [...this.#followers.keys()]) if (!replicas.includes(id)) this.#followers.delete(id)
    for (const id of replicas) {
      if (id === this.localId) continue
      const follower = this.#followers.get(id)
      if (follower === undefined) {
        this.#followers.set(id, new FollowerProgress(id, logEndOffset, nowMs, this.#rules))
        continue
      }
      const current = brokerEpochs.get(id)
      if (follower.brokerEpoch !== null && current !== undefined && current > follower.brokerEpoch) {
        follower.forget(logEndOffset)
      }
    }
  }

  /** Whether the answer was given in the life of the follower that the metadata know (KIP-903). */
  #isCurrentLife(follower: FollowerProgress, { brokerEpoch }: AppendAnswer, log: LogView): boolean {
    if (follower.brokerEpoch !== null && follower.brokerEpoch !== brokerEpoch) {
      follower.forget(log.logEndOffset)
      follower.brokerEpoch = brokerEpoch
      return false
    }
    const current = this.#terms.brokerEpochs.get(follower.nodeId)
    // A fenced broker has no registration that counts, and may well be catching up.
    if (current !== undefined && current !== brokerEpoch && this.#rules.brokerEpochsAreChecked) {
      follower.reset(follower.nextOffset)
      return false
    }
    follower.brokerEpoch = brokerEpoch
    return true
  }

  #isLagging(id: NodeId, nowMs: number, lagMsMax: number, log: LogView): boolean {
    const follower = this.#followers.get(id)
    if (follower === undefined) return true
    const hasEverything = follower.matchEnd !== null && follower.matchEnd >= log.logEndOffset
    return !hasEverything && nowMs - follower.caughtUpMs > lagMsMax
  }

  #mayJoin(id: NodeId): boolean {
    const follower = this.#followers.get(id)
    if (follower === undefined || follower.matchEnd === null || follower.brokerEpoch === null) return false
    const current = this.#terms.brokerEpochs.get(id)
    if (current === undefined || (current !== follower.brokerEpoch && this.#rules.brokerEpochsAreChecked)) return false
    const needed = this.#rules.joinersHaveEverything
      ? Math.max(this.#highWatermark, this.epochStartOffset)
      : this.#highWatermark
    return follower.matchEnd >= needed
  }

  /** Who must have a record before it is committed: the ISR, and whoever the controller may have added to it (KIP-497). */
  *#holders(): Iterable<NodeId> {
    const { isr } = this.#terms
    const proposed = this.#proposal?.isr ?? []
    const isShrinkTaken = this.#proposal !== null && !this.#rules.shrinkWaitsForController
    for (const id of isr) if (!isShrinkTaken || proposed.some(({ nodeId }) => nodeId === id)) yield id
    if (!this.#rules.proposedMembersCount) return
    for (const { nodeId } of proposed) if (!isr.includes(nodeId)) yield nodeId
  }

  #maybeAdvance(): boolean {
    if (!this.hasMinIsr && this.#rules.minIsrIsStrict) return false
    let lowest = this.#rules.leaderCountsOwnDisk ? this.#durableEndOffset : Number.POSITIVE_INFINITY
    if (this.#rules.isrHoldsHighWatermark) {
      for (const id of this.#holders()) {
        if (id !== this.localId) lowest = Math.min(lowest, this.#followers.get(id)?.matchEnd ?? 0)
      }
    }
    // A member that joined the ISR in this epoch may still stand below what was committed before: no way back.
    if (!Number.isFinite(lowest) || lowest <= this.#highWatermark) return false
    this.#highWatermark = lowest
    return true
  }
}
