/**
 * The replicas of one partition and their controller: the core of `src/replication` between logs in memory, decided upon
 * by `src/metadata`. Nothing happens by itself; whoever drives it chooses what is done next, and what is lost.
 */
import { decideAlterPartition } from '../../src/metadata/alter-partition.ts'
import type { ClusterImage } from '../../src/metadata/cluster-image.ts'
import { decideBalance } from '../../src/metadata/elect-leaders.ts'
import type { PartitionImage } from '../../src/metadata/image.ts'
import { errorName, isFailure } from '../../src/protocol/errors.ts'
import { type ReplicationRules, soundReplicationRules } from '../../src/replication/rules.ts'
import { assert } from '../../src/util/assert.ts'
import { type NodeId, type Offset, toNodeId } from '../../src/util/numbers.ts'
import { Cluster as Controller } from '../metadata/cluster.ts'
import type { AnswerPacket, AppendPacket, AskPacket, Packet, ToldPacket } from './packets.ts'
import { type Following, type Leading, ReplicaNode, topic } from './replica-node.ts'
import type { FlushPolicy } from './value-log.ts'

export interface ReplicaClusterOptions {
  readonly nodeCount: number
  readonly minInsyncReplicas: number
  readonly policy: FlushPolicy
  readonly rules: Partial<ReplicationRules>
}

export class ReplicaCluster {
  readonly controller: Controller
  readonly nodes: ReadonlyMap<NodeId, ReplicaNode>
  readonly policy: FlushPolicy
  /** In the order they were sent. */
  readonly network: Packet[] = []
  /** Everything the controller ever decided; brokers replay it one by one. */
  readonly images: ClusterImage[] = []
  /** What happened: a run in which nothing did proves nothing. */
  readonly counts = { shrinks: 0, grows: 0, eligibleLeads: 0, cuts: 0, restarts: 0, refusals: 0, powerLosses: 0 }
  nowMs = 0
  readonly lagMsMax = 200
  #valueCount = 0
  #lifeCount = 0

  constructor({ nodeCount, minInsyncReplicas, policy, rules }: ReplicaClusterOptions) {
    const ids = Array.from({ length: nodeCount }, (_, i) => i + 1)
    this.policy = policy
    this.controller = new Controller(...ids)
    this.controller.minInsyncReplicas = minInsyncReplicas
    this.controller.create(topic, { assignments: [ids] })
    const all = { ...soundReplicationRules, ...rules }
    this.nodes = new Map(ids.map(id => [toNodeId(id), new ReplicaNode(toNodeId(id), policy, all)]))
    this.publish()
    for (const node of this.nodes.values()) {
      node.brokerEpoch = this.controller.broker(node.id).epoch
      this.learn(node)
    }
  }

  node(id: NodeId): ReplicaNode {
    return this.nodes.get(id)!
  }

  get partition(): PartitionImage {
    return this.controller.partition(topic)
  }

  /** The controller may have decided something. */
  publish(): void {
    const { image } = this.controller
    const before = this.images.at(-1)
    if (before === image) return
    this.images.push(image)
    if (before === undefined) return
    const { isr, elr } = before.topics.byName.get(topic)!.partitions[0]!
    const after = this.partition
    if (after.isr.length < isr.length) this.counts.shrinks++
    if (after.isr.length > isr.length) this.counts.grows++
    if (after.leaderId !== null && elr.includes(after.leaderId)) this.counts.eligibleLeads++
  }

  /** The node replays the next image, if there is one. */
  learn(node: ReplicaNode): void {
    const image = this.images[node.imageCount]
    if (!node.isUp || image === undefined) return
    node.imageCount++
    const { role } = node
    node.apply(image, this.controller.minInsyncReplicas, this.nowMs)
    if (role?.kind === 'following' && role !== node.role) {
      for (const { packet } of role.waiting) this.#answer(packet, null)
    }
  }

  produce(node: ReplicaNode): void {
    const role = leadingOf(node)
    if (role === null) return
    node.log.add(role.replica.leaderEpoch, ++this.#valueCount)
    if (this.policy === 'os') role.replica.onLocalProgress(node.log.durableEndOffset)
    node.notice()
  }

  /** The disk has everything; who waited for that is answered. */
  sync(node: ReplicaNode): void {
    if (!node.isUp) return
    node.log.sync()
    this.#onDurable(node)
  }

  /** Sends what is due to one follower, `batchesMax` records at most. */
  send(node: ReplicaNode, to: NodeId, batchesMax: number): boolean {
    const role = leadingOf(node)
    const next = role?.replica.next(to, node.log) ?? null
    if (role === null || next === null) return false
    const { highWatermark, leaderEpoch } = role.replica
    const batches = node.log.read(next.readOffset, batchesMax)
    const { logStartOffset } = node.log
    const item = { ...next, leaderEpoch, highWatermark, logStartOffset, batches }
    const values = batches.map(({ baseOffset }) => node.log.valueAt(baseOffset))
    const sent = role.replica.onSent(to, next, batches.at(-1)?.endOffset ?? next.fromOffset)
    this.network.push({ kind: 'append', from: node.id, to, item, values, leader: role.replica, sent })
    return true
  }

  /** The leader looks whom it wants in the ISR, and asks; the same again if nobody answered. */
  propose(node: ReplicaNode): void {
    const role = leadingOf(node)
    if (role === null || role.isAsking) return
    const { replica } = role
    const proposal = replica.proposal ?? replica.proposeIsr(this.nowMs, this.lagMsMax, node.log)
    if (proposal === null) return
    role.isAsking = true
    const { id: topicId } = this.controller.image.topics.byName.get(topic)!
    const { partitionEpoch, isr } = proposal
    const item = { topicId, partition: 0, leaderEpoch: replica.leaderEpoch, partitionEpoch, newIsr: [...isr] }
    const request = { nodeId: node.id, brokerEpoch: node.brokerEpoch, partitions: [item] }
    this.network.push({ kind: 'ask', from: node.id, to: null, leader: replica, proposal, request })
  }

  /** Preferred leaders that are in sync lead again. */
  balance(): void {
    this.controller.commit(decideBalance(this.controller.image, this.controller.terms, 1))
    this.publish()
  }

  fence(node: ReplicaNode): void {
    this.controller.fence(node.id)
    this.publish()
  }

  heard(node: ReplicaNode): void {
    if (!node.isUp) return
    this.controller.heard(node.id)
    this.publish()
  }

  /** The process is gone, and of the log what is at and above `endOffset`. */
  crash(node: ReplicaNode, endOffset: Offset, isDamaged: boolean): void {
    node.isDamaged ||= isDamaged
    node.crash(endOffset, node.checkpoint)
    for (const other of this.nodes.values()) this.loseLink(other, node.id)
  }

  /** Registers, and acts on no metadata from before. */
  start(node: ReplicaNode): void {
    const incarnation = `life ${++this.#lifeCount}`
    if (node.isDamaged) node.brokerEpoch = this.controller.register(node.id, incarnation)
    else node.brokerEpoch = this.controller.restart(node.id, incarnation)
    node.isUp = true
    node.isDamaged = false
    this.publish()
    node.imageCount = this.images.length - 1
    this.learn(node)
  }

  /** The connection from a leader to a follower is gone. What is on it may still arrive; the leader hears of no answer. */
  loseLink(node: ReplicaNode, to: NodeId): void {
    leadingOf(node)?.replica.onLinkLost(to)
  }

  /** The packet arrives; `isLast`: no copy of it comes later. */
  deliver(packet: Packet, isLast = true): void {
    if (isLast) this.#remove(packet)
    switch (packet.kind) {
      case 'append':
        this.#onAppend(packet)
        return
      case 'answer':
        this.#onAnswer(packet)
        return
      case 'ask':
        this.#onAsk(packet)
        return
      case 'told':
        this.#onTold(packet)
    }
  }

  /** Nobody gets it, and whoever waits for an answer gives up waiting. */
  drop(packet: Packet): void {
    this.#remove(packet)
    switch (packet.kind) {
      case 'append':
        packet.leader.onFailed(packet.to, packet.sent)
        return
      case 'answer':
        packet.append.leader.onFailed(packet.from, packet.append.sent)
        return
      case 'ask':
        this.#forgetAsking(packet)
        return
      case 'told':
        this.#forgetAsking(packet.ask)
    }
  }

  #remove(packet: Packet): void {
    const at = this.network.indexOf(packet)
    if (at >= 0) this.network.splice(at, 1)
  }

  #onAppend(packet: AppendPacket): void {
    const node = this.node(packet.to)
    const role = node.role
    if (role?.kind !== 'following') {
      this.#answer(packet, null)
      return
    }
    for (let steps = 0; ; steps++) {
      assert(steps < 5, 'a follower comes to a decision')
      const step = role.replica.decide(packet.item, node.log)
      if (step.kind === 'truncate' || step.kind === 'restart') {
        const at = step.kind === 'truncate' ? step.to : step.at
        role.replica.onCut(at)
        if (step.kind === 'truncate') this.counts.cuts++
        else this.counts.restarts++
        if (step.kind === 'truncate') node.log.truncateTo(at)
        else node.log.restartAt(at)
        node.notice()
        continue
      }
      if (step.kind === 'take') this.#take(node, role, packet, step.skip)
      else if (step.kind === 'refused') this.#answer(packet, null)
      else this.#answer(packet, { isMatch: false, ...step, brokerEpoch: node.brokerEpoch })
      return
    }
  }

  #take(node: ReplicaNode, role: Following, packet: AppendPacket, skip: number): void {
    const { batches, fromOffset, logStartOffset } = packet.item
    for (const [i, batch] of batches.entries()) if (i >= skip) node.log.add(batch.leaderEpoch, packet.values[i]!)
    role.replica.onTaken(packet.item, node.log)
    node.notice()
    role.waiting.push({ endOffset: batches.at(-1)?.endOffset ?? fromOffset, packet })
    this.#onDurable(node)
    node.log.deleteBelow(Math.min(logStartOffset, node.highWatermark))
  }

  #onDurable(node: ReplicaNode): void {
    const { role, log } = node
    if (role?.kind === 'leading') role.replica.onLocalProgress(log.durableEndOffset)
    if (role?.kind === 'following') {
      const isDone = ({ endOffset }: { readonly endOffset: Offset }): boolean => endOffset <= log.durableEndOffset
      const done = role.waiting.filter(isDone)
      role.waiting = role.waiting.filter(waiting => !isDone(waiting))
      for (const { packet } of done) {
        const endOffset = role.replica.acknowledgedEnd(log)
        this.#answer(packet, { isMatch: true, endOffset, hintEpoch: -1, brokerEpoch: node.brokerEpoch })
      }
    }
    node.notice()
  }

  #answer(append: AppendPacket, answer: AnswerPacket['answer']): void {
    this.network.push({ kind: 'answer', from: append.to, to: append.from, append, answer })
  }

  #onAnswer({ from, to, append, answer }: AnswerPacket): void {
    const node = this.node(to)
    const role = leadingOf(node)
    if (role?.replica !== append.leader) return
    if (answer === null) role.replica.onFailed(from, append.sent)
    else role.replica.onAnswer(from, append.sent, answer, node.log, this.nowMs)
    node.notice()
  }

  #onAsk(ask: AskPacket): void {
    const decision = decideAlterPartition(this.controller.image, ask.request, this.controller.terms)
    const outcome = isFailure(decision) ? null : this.controller.commit(decision).partitions[0]!
    this.publish()
    const told: ToldPacket = { kind: 'told', from: null, to: ask.from, ask, outcome }
    this.network.push(told)
  }

  #onTold({ ask, outcome }: ToldPacket): void {
    const role = this.#leadingBy(ask)
    if (role === null) return
    role.isAsking = false
    if (outcome === null || role.replica.proposal !== ask.proposal) return
    const error = errorName(outcome.errorCode)
    if (error !== null) this.counts.refusals++
    if (error === 'INELIGIBLE_REPLICA') role.replica.onProposalRefused(ask.proposal)
    if (error !== null || outcome.partitionEpoch <= role.replica.partitionEpoch) return
    const node = this.node(ask.from)
    role.terms = { ...role.terms, isr: outcome.isr.map(toNodeId), partitionEpoch: outcome.partitionEpoch }
    role.replica.reconfigure(role.terms, node.log.logEndOffset, this.nowMs)
    node.notice()
  }

  #forgetAsking(ask: AskPacket): void {
    const role = this.#leadingBy(ask)
    if (role !== null) role.isAsking = false
  }

  /** The role that asked, if that broker is still in it. */
  #leadingBy({ from, leader }: AskPacket): Leading | null {
    const role = leadingOf(this.node(from))
    return role?.replica === leader ? role : null
  }
}

export function leadingOf({ role }: ReplicaNode): Leading | null {
  return role?.kind === 'leading' ? role : null
}
