/**
 * A partition in the role of leader, for one leader epoch: the core that decides, the feeds of its followers, and the ISR
 * it asks the controller for.
 */
import type { HighWatermarks, PartitionLog } from '../log/types.ts'
import type { Sent } from '../replication/follower-progress.ts'
import { LeaderReplica, type LeaderTerms } from '../replication/leader-replica.ts'
import type { AppendAnswer } from '../replication/types.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { LeaderEpoch, NodeId, Offset } from '../util/numbers.ts'
import { secondMs } from '../util/units.ts'
import { type FeedSource, FollowerFeed } from './replication/feed.ts'
import type { IsrProposer } from './replication/isr-proposer.ts'
import type { ReplicaSender } from './replication/sender.ts'
import type { ReplicaSenders } from './replication/senders.ts'
import type { BrokerRules } from './rules.ts'
import type { BrokerStats } from './stats.ts'

/** What the replicas of a broker share. */
export interface ReplicaEnvironment {
  readonly nodeId: NodeId
  readonly clock: Clock
  readonly logger: Logger
  readonly stats: BrokerStats
  readonly senders: ReplicaSenders
  readonly proposer: IsrProposer
  readonly highWatermarks: HighWatermarks
  readonly rules: BrokerRules
}

export interface LeadingOptions {
  readonly env: ReplicaEnvironment
  readonly log: PartitionLog
  readonly terms: LeaderTerms
  readonly highWatermark: Offset
  readonly onHighWatermarkMoved: () => void
}

/** A leader waits so long for what replicas that are moved away have taken to be committed; what is not is refused then. */
const handOverMsMax = secondMs

export class Leading implements FeedSource {
  readonly kind = 'leading'
  readonly replica: LeaderReplica
  readonly log: PartitionLog
  readonly #env: ReplicaEnvironment
  readonly #onHighWatermarkMoved: () => void
  readonly #feeds = new Map<NodeId, { readonly feed: FollowerFeed; readonly sender: ReplicaSender }>()
  #terms: LeaderTerms
  #isActive = true
  /**
   * A move takes replicas away, with `isOwn` this leader, too: exclusive end of what it had taken by then; without, of what
   * leaders before it had. `null`: nobody goes.
   */
  #handOver: { readonly isOwn: boolean; readonly endOffset: Offset; readonly timer: Timer } | null = null
  /** Exclusive end of what was ever sent to any follower. */
  #shippedEnd: Offset = 0

  constructor({ env, log, terms, highWatermark, onHighWatermarkMoved }: LeadingOptions) {
    this.#env = env
    this.log = log
    this.#terms = terms
    this.#onHighWatermarkMoved = onHighWatermarkMoved
    const { durableEndOffset, logEndOffset } = log
    const nowMs = env.clock.nowMs()
    this.replica = new LeaderReplica({
      localId: env.nodeId,
      terms,
      durableEndOffset,
      logEndOffset,
      highWatermark,
      nowMs,
      rules: env.rules,
    })
    this.#meetFollowers()
    this.#handOverIfAwaited()
  }

  /** Another one is about to lead: what was taken is settled first, and nothing more is taken. */
  get isHandingOver(): boolean {
    return this.#handOver?.isOwn ?? false
  }

  /** This epoch is not over for this node. */
  get isActive(): boolean {
    return this.#isActive
  }

  get leaderEpoch(): LeaderEpoch {
    return this.replica.leaderEpoch
  }

  /** Bytes from `offset` on have left for a follower, which may have them. */
  hasSentFrom(offset: Offset): boolean {
    return this.#shippedEnd > offset
  }

  onShipped(endOffset: Offset): void {
    this.#shippedEnd = Math.max(this.#shippedEnd, endOffset)
  }

  /** Something is about to be appended: the followers are sent it at the end of the turn, before our own disk gets it. */
  feed(): void {
    for (const { feed, sender } of this.#feeds.values()) sender.want(feed)
  }

  onLocalProgress(): void {
    // What a follower far behind was waiting for may be in a file now.
    for (const { feed, sender } of this.#feeds.values()) if (feed.hasMore) sender.want(feed)
    if (this.replica.onLocalProgress(this.log.durableEndOffset)) this.#announce()
  }

  onLogStartMoved(): void {
    for (const { feed, sender } of this.#feeds.values()) sender.wantNews(feed)
  }

  /** From the metadata, or from the controller's answer to a proposal, whichever comes first. */
  reconfigure(terms: LeaderTerms): void {
    if (terms.partitionEpoch >= this.#terms.partitionEpoch) this.#terms = terms
    const { stats, logger, clock } = this.#env
    const before = this.replica.isr
    const hasMoved = this.replica.reconfigure(terms, this.log.logEndOffset, clock.nowMs())
    const { isr, partitionEpoch } = this.replica
    if (isr.length < before.length) stats.isrShrinks++
    if (isr.length > before.length) stats.isrExpands++
    if (isr.length !== before.length) {
      const { topic, partition } = this.log.id
      logger.info({ topic, partition, before, isr, partitionEpoch }, 'in-sync replicas changed')
    }
    this.#meetFollowers()
    // A follower that was registered anew is begun with anew, whether or not there is anything else to send.
    for (const { feed, sender } of this.#feeds.values()) if (feed.hasMore) sender.want(feed)
    if (hasMoved) this.#announce()
    this.#handOverIfAwaited()
    this.#env.proposer.look(this)
  }

  /** The controller's answer to a proposal. */
  onIsr(isr: readonly NodeId[], partitionEpoch: number): void {
    if (partitionEpoch > this.replica.partitionEpoch) this.reconfigure({ ...this.#terms, isr, partitionEpoch })
  }

  onAnswer(feed: FollowerFeed, sent: Sent, answer: AppendAnswer): void {
    const hasMoved = this.replica.onAnswer(feed.nodeId, sent, answer, this.log, this.#env.clock.nowMs())
    if (hasMoved) this.#announce()
    else this.#letGoIfSettled()
    if (!feed.isInSync) this.#env.proposer.look(this)
  }

  end(): void {
    this.#isActive = false
    this.#handOver?.timer.cancel()
    for (const { feed, sender } of this.#feeds.values()) sender.leave(feed)
    this.#feeds.clear()
    this.#env.proposer.forget(this)
  }

  #announce(): void {
    for (const { feed, sender } of this.#feeds.values()) sender.wantNews(feed)
    this.#onHighWatermarkMoved()
    this.#letGoIfSettled()
  }

  #handOverIfAwaited(): void {
    const { replica, log } = this
    const isOwn = replica.isLeaving
    if (replica.isLetGoAwaited && this.#handOver?.isOwn === isOwn) return
    this.#handOver?.timer.cancel()
    this.#handOver = null
    if (!replica.isLetGoAwaited) return
    const timer = this.#env.clock.setTimer(handOverMsMax, () => this.#letGo())
    this.#handOver = { isOwn, endOffset: isOwn ? log.logEndOffset : replica.epochStartOffset, timer }
    this.#letGoIfSettled()
  }

  /** Whoever waited has been answered. */
  #letGoIfSettled(): void {
    const { replica } = this
    if (this.#handOver === null || replica.highWatermark < this.#handOver.endOffset) return
    if (replica.haveLeavingHeard) this.#letGo()
  }

  #letGo(): void {
    this.#handOver?.timer.cancel()
    this.replica.letGo()
    this.#env.proposer.look(this)
  }

  #meetFollowers(): void {
    const { followers } = this.replica
    for (const [nodeId, { feed, sender }] of this.#feeds) {
      if (followers.has(nodeId)) continue
      sender.leave(feed)
      this.#feeds.delete(nodeId)
    }
    for (const nodeId of followers.keys()) {
      const sender = this.#feeds.has(nodeId) ? null : this.#env.senders.to(nodeId)
      if (sender === null) continue
      const feed = new FollowerFeed(nodeId, this)
      this.#feeds.set(nodeId, { feed, sender })
      sender.join(feed)
    }
  }
}
