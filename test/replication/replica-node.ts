/** A broker as far as one partition is concerned: its log, the metadata it knows, and the role it has by them. */

import type { ClusterImage } from '../../src/metadata/cluster-image.ts'
import { minIsrOf } from '../../src/metadata/election.ts'
import type { PartitionImage } from '../../src/metadata/image.ts'
import { epochBefore } from '../../src/replication/divergence.ts'
import { FollowerReplica } from '../../src/replication/follower-replica.ts'
import { LeaderReplica, type LeaderTerms } from '../../src/replication/leader-replica.ts'
import type { ReplicationRules } from '../../src/replication/rules.ts'
import { type BrokerEpoch, type NodeId, type Offset, toBrokerEpoch, toLeaderEpoch } from '../../src/util/numbers.ts'
import type { AppendPacket } from './packets.ts'
import { type FlushPolicy, ValueLog } from './value-log.ts'

export const topic = 't'

export interface Leading {
  readonly kind: 'leading'
  readonly replica: LeaderReplica
  terms: LeaderTerms
  /** A request to the controller is under way. */
  isAsking: boolean
}

export interface Following {
  readonly kind: 'following'
  readonly replica: FollowerReplica
  /** Appends whose answers wait until the log is durable up to their ends. */
  waiting: { readonly endOffset: Offset; readonly packet: AppendPacket }[]
}

export class ReplicaNode {
  readonly id: NodeId
  readonly log: ValueLog
  readonly #rules: ReplicationRules
  role: Leading | Following | null = null
  isUp = true
  /** Lost power, and with it perhaps what it acknowledged; until it registers again. */
  isDamaged = false
  brokerEpoch: BrokerEpoch = toBrokerEpoch(0)
  /** How many of the controller's images it has replayed. */
  imageCount = 0
  highWatermark: Offset = 0
  highWatermarkEpoch = -1
  /** What a restart begins from. */
  checkpoint: Offset = 0

  constructor(id: NodeId, policy: FlushPolicy, rules: ReplicationRules) {
    this.id = id
    this.log = new ValueLog(policy)
    this.#rules = rules
  }

  /** The metadata are `image` now. */
  apply(image: ClusterImage, minInsyncReplicas: number, nowMs: number): void {
    const partition = image.topics.byName.get(topic)!.partitions[0]!
    if (partition.leaderId === this.id) this.#lead(termsOf(image, partition, minInsyncReplicas), nowMs)
    else this.#follow(partition)
    this.notice()
  }

  /** The role may have moved the high watermark. */
  notice(): void {
    if (this.role === null) return
    const { replica } = this.role
    if (replica.highWatermark === this.highWatermark) return
    this.highWatermark = replica.highWatermark
    this.highWatermarkEpoch = replica instanceof FollowerReplica ? replica.highWatermarkEpoch : replica.leaderEpoch
  }

  /** The process is gone; `endOffset` is what is left of the log. */
  crash(endOffset: Offset, highWatermark: Offset): void {
    this.isUp = false
    this.role = null
    this.log.reopen(endOffset)
    const { logStartOffset, logEndOffset } = this.log
    this.highWatermark = Math.max(logStartOffset, Math.min(highWatermark, logEndOffset))
    this.highWatermarkEpoch = epochBefore(this.log, this.highWatermark)
  }

  #lead(terms: LeaderTerms, nowMs: number): void {
    if (this.role?.kind === 'leading' && this.role.replica.leaderEpoch === terms.leaderEpoch) {
      if (terms.partitionEpoch >= this.role.terms.partitionEpoch) this.role.terms = terms
      this.role.replica.reconfigure(terms, this.log.logEndOffset, nowMs)
      return
    }
    const { id: localId, log, highWatermark } = this
    const { durableEndOffset, logEndOffset } = log
    const rules = this.#rules
    const replica = new LeaderReplica({
      localId,
      terms,
      durableEndOffset,
      logEndOffset,
      highWatermark,
      nowMs,
      rules,
    })
    this.role = { kind: 'leading', replica, terms, isAsking: false }
  }

  #follow({ leaderEpoch, uncleanEpoch }: PartitionImage): void {
    if (this.role?.kind === 'following' && this.role.replica.leaderEpoch === leaderEpoch) {
      this.role.replica.onUncleanEpoch(uncleanEpoch)
      return
    }
    const { highWatermark, highWatermarkEpoch } = this
    const rules = this.#rules
    const replica = new FollowerReplica({ leaderEpoch, uncleanEpoch, highWatermark, highWatermarkEpoch, rules })
    this.role = { kind: 'following', replica, waiting: [] }
  }
}

function termsOf(image: ClusterImage, partition: PartitionImage, minInsyncReplicas: number): LeaderTerms {
  const { leaderEpoch, partitionEpoch, replicas, isr } = partition
  const able = [...image.brokers.values()].filter(({ isFenced, isUnfit }) => !isFenced && !isUnfit)
  return {
    leaderEpoch: toLeaderEpoch(leaderEpoch),
    partitionEpoch,
    replicas,
    isr,
    effectiveMinIsr: minIsrOf(partition, minInsyncReplicas),
    leaving: [],
    brokerEpochs: new Map(able.map(({ nodeId, epoch }) => [nodeId, epoch])),
  }
}
