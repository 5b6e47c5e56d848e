/**
 * One partition of a small cluster as the controller's decisions drive it: brokers with logs that crash, lose what they
 * had, see metadata late and send requests that arrive late or twice; the rules of replication in their simplest form.
 * It says whether what was acknowledged is still where the decisions let leaders come from.
 */
import assert from 'node:assert/strict'
import { decideAlterPartition } from '../../src/metadata/alter-partition.ts'
import { decideAlterReassignments } from '../../src/metadata/alter-reassignments.ts'
import {
  decideDrainBroker,
  decideFence,
  decideHeard,
  decideOffline,
  decideShutdown,
} from '../../src/metadata/brokers.ts'
import { type Decision, defaultLimits } from '../../src/metadata/decision.ts'
import { decideBalance, decideElectLeaders } from '../../src/metadata/elect-leaders.ts'
import { minIsrOf } from '../../src/metadata/election.ts'
import type { MetadataImage, PartitionImage } from '../../src/metadata/image.ts'
import type { DecisionRules } from '../../src/metadata/rules.ts'
import { electionTermsOf } from '../../src/metadata/settle.ts'
import { errorName, type Failure, isFailure } from '../../src/protocol/errors.ts'
import { type BrokerEpoch, type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from './cluster.ts'

export const ids = [1, 2, 3, 4]
type Request = Parameters<typeof decideAlterPartition>[1]

/** A process that keeps a replica. */
interface Life {
  epoch: BrokerEpoch
  /** The last metadata it has seen; `null` in the first moments of its life. */
  seen: MetadataImage | null
  /** As a leader: who had everything of its log up to which length, under which registration. */
  acknowledged: Map<NodeId, { length: number; epoch: BrokerEpoch }>
  /** The ISR it was granted by an answer before its metadata said so, and the request that is open. */
  granted: { isr: readonly NodeId[]; partitionEpoch: number } | null
  asked: Request | null
}

export class ReplicatedPartition {
  readonly cluster: Cluster
  readonly logs = new Map<NodeId, number[]>(ids.map(id => [toNodeId(id), []]))
  readonly lives = new Map<NodeId, Life>()
  /** Beside each log: the registration it is complete for. */
  readonly stored = new Map<NodeId, BrokerEpoch>()
  readonly onTheWay: { from: NodeId; request: Request }[] = []
  /** Records that were acknowledged, in order. */
  committed: number[] = []
  elections = 0
  unclean = 0
  expansions = 0
  moves = 0
  #nextRecord = 0

  constructor(rules: DecisionRules) {
    this.cluster = new Cluster()
    this.cluster.rules = rules
    this.cluster.minInsyncReplicas = -1
    for (const id of ids) this.restart(toNodeId(id), true, true)
    this.cluster.create('t', { assignments: [[1, 2, 3]] })
  }

  get partition(): PartitionImage {
    return this.cluster.partition('t')
  }

  /** The process ends and another one registers; without `keepsLog` its disk is empty. */
  restart(id: NodeId, keepsLog: boolean, remembers: boolean): void {
    if (!keepsLog) {
      this.logs.set(id, [])
      this.stored.delete(id)
    }
    const incarnation = `life ${this.cluster.image.lastOffset}`
    const epoch = this.#decided(() => this.cluster.register(id, incarnation, null, this.stored.get(id) ?? null))
    if (remembers) this.stored.set(id, epoch)
    this.lives.set(id, { epoch, seen: null, acknowledged: new Map(), granted: null, asked: null })
  }

  change(id: NodeId, what: 'fence' | 'hear' | 'hear unfit' | 'shut down' | 'fail' | 'drain' | 'end drain'): void {
    const { cluster } = this
    const { image, terms } = cluster
    const broker = cluster.broker(id)
    const isDraining = what === 'drain'
    const topicId = image.topics.byName.get('t')!.id
    const drain = () => decideDrainBroker(image, { session: null, timeoutMs: 0, nodeId: id, isDraining }, terms)
    const decide = {
      fence: () => decideFence(image, broker, terms),
      hear: () => decideHeard(image, broker, false, terms),
      'hear unfit': () => decideHeard(image, broker, true, terms),
      'shut down': () => decideShutdown(image, broker, terms),
      fail: () => decideOffline(image, broker, [{ topicId, partition: 0 }], terms),
      drain,
      'end drain': drain,
    }[what]
    this.#commit<unknown>(decide())
  }

  configure(minInsyncReplicas: string): void {
    this.#decided(() => this.cluster.configure('t', 'min.insync.replicas', minInsyncReplicas))
  }

  move(replicas: number[] | null): void {
    const { image, terms } = this.cluster
    const request = { session: null, timeoutMs: 0, partitions: [{ topic: 't', partition: 0, replicas }] }
    this.#commit(decideAlterReassignments(image, request, { ...terms, limits: defaultLimits }))
  }

  elect(electionType: 'preferred' | 'unclean'): void {
    const { image, terms } = this.cluster
    const request = { session: null, timeoutMs: 0, electionType, partitions: null }
    if (electionType === 'preferred') this.#commit(decideBalance(image, terms, 1))
    else this.#commit(decideElectLeaders(image, request, terms))
  }

  /** The metadata reach a broker. */
  see(id: NodeId): void {
    const life = this.lives.get(id)!
    const before = this.#viewOf(id)
    life.seen = this.cluster.image
    const now = this.partition
    if (before?.leaderEpoch !== now.leaderEpoch) life.acknowledged.clear()
    if (life.granted !== null && life.granted.partitionEpoch <= now.partitionEpoch) life.granted = null
    if (life.asked !== null && life.asked.partitions[0]!.partitionEpoch < now.partitionEpoch) life.asked = null
  }

  /** A leader, by what it knows, appends to its own log. */
  append(id: NodeId): void {
    if (this.#viewOf(id)?.leaderId === id) this.logs.get(id)!.push(this.#nextRecord++)
  }

  /** A follower becomes like its leader, if both know the same epoch, and acknowledges it. */
  follow(from: NodeId, id: NodeId): boolean {
    const [view, own] = [this.#viewOf(from), this.#viewOf(id)]
    if (view === null || own === null || view.leaderId !== from || id === from) return false
    if (view.leaderEpoch !== own.leaderEpoch || !own.replicas.includes(id)) return false
    const log = [...this.logs.get(from)!]
    this.logs.set(id, log)
    this.lives.get(from)!.acknowledged.set(id, { length: log.length, epoch: this.lives.get(id)!.epoch })
    return true
  }

  /** A leader appends and has everybody acknowledge who must; then the whole of its log is committed. */
  commit(id: NodeId): void {
    const view = this.#viewOf(id)
    if (view?.leaderId !== id) return
    const life = this.lives.get(id)!
    const isr = life.granted?.isr ?? view.isr
    const { topics } = life.seen!
    const { minInsyncReplicas } = electionTermsOf(topics.byName.get('t')!, this.cluster.terms)
    if (isr.length < minIsrOf(view, minInsyncReplicas)) return
    this.append(id)
    // Whoever may be in sync by now must have it, too.
    const asked = life.asked?.partitions[0]?.newIsr.map(member => toNodeId(member.nodeId)) ?? []
    for (const member of new Set([...isr, ...asked])) if (member !== id && !this.follow(id, member)) return
    // What a leader commits that does not know yet of an unclean election after it is lost with the rest.
    if (view.leaderEpoch >= this.partition.uncleanEpoch) this.committed = [...this.logs.get(id)!]
  }

  /** A leader asks for everybody who has all of its log to be in sync, or for `without` not to be. */
  ask(id: NodeId, without: NodeId | null): void {
    const view = this.#viewOf(id)
    const life = this.lives.get(id)!
    if (view?.leaderId !== id || life.asked !== null) return
    const { length } = this.logs.get(id)!
    const epochOf = (member: NodeId): BrokerEpoch => life.seen!.brokers.get(member)!.epoch
    const isr = life.granted?.isr ?? view.isr
    const kept = isr
      .filter(member => member !== without || member === id)
      .map(nodeId => [nodeId, epochOf(nodeId)] as const)
    const added = [...life.acknowledged]
      .filter(([member, acknowledged]) => acknowledged.length === length && !isr.includes(member) && member !== without)
      .map(([member, acknowledged]) => [member, acknowledged.epoch] as const)
    life.asked = {
      nodeId: id,
      brokerEpoch: life.epoch,
      partitions: [
        {
          topicId: life.seen!.topics.byName.get('t')!.id,
          partition: 0,
          leaderEpoch: view.leaderEpoch,
          partitionEpoch: life.granted?.partitionEpoch ?? view.partitionEpoch,
          newIsr: [...kept, ...added].map(([nodeId, brokerEpoch]) => ({ nodeId, brokerEpoch })),
        },
      ],
    }
    this.onTheWay.push({ from: id, request: life.asked })
  }

  /** A request arrives, for good or to come once more; its answer gets through or not. */
  arrive(at: number, comesAgain: boolean, isAnswered: boolean): void {
    const found = this.onTheWay.at(at % Math.max(1, this.onTheWay.length))
    if (found === undefined) return
    if (!comesAgain) this.onTheWay.splice(this.onTheWay.indexOf(found), 1)
    const { from, request } = found
    const before = this.partition.isr.length
    const decision = decideAlterPartition(this.cluster.image, request, this.cluster.terms)
    if (isFailure(decision)) return
    const answer = this.#commit(decision).partitions[0]!
    if (this.partition.isr.length > before) this.expansions++
    const life = this.lives.get(from)!
    if (!isAnswered || life.asked !== request) return
    if (answer.errorCode === 0) life.granted = { isr: answer.isr as NodeId[], partitionEpoch: answer.partitionEpoch }
    // Refused as old, it knows that it does not know; until its metadata come it goes on as before.
    if (answer.errorCode === 0 || errorName(answer.errorCode) === 'INELIGIBLE_REPLICA') life.asked = null
  }

  #viewOf(id: NodeId): PartitionImage | null {
    return this.lives.get(id)!.seen?.topics.byName.get('t')?.partitions[0] ?? null
  }

  #commit<Response>(decision: Decision<Response> | Failure): Response {
    assert(!isFailure(decision))
    return this.#decided(() => this.cluster.commit(decision))
  }

  /** Whatever is decided, who leads, is in sync or eligible afterwards has everything acknowledged. */
  #decided<T>(decide: () => T): T {
    const before = this.cluster.image.topics.byName.get('t')?.partitions[0]
    const result = decide()
    if (before !== undefined) this.#check(before, this.partition)
    return result
  }

  #check(before: PartitionImage, after: PartitionImage): void {
    const { leaderId } = after
    if (after.leaderEpoch > before.leaderEpoch) this.elections++
    if (before.addingReplicas.length > 0 && after.addingReplicas.length === 0) this.moves++
    if (after.uncleanEpoch > before.uncleanEpoch) {
      this.unclean++
      const log = this.logs.get(leaderId!)!
      this.committed = this.committed.filter((record, at) => log[at] === record)
    }
    const hasAll = (id: NodeId): boolean => this.committed.every((record, at) => this.logs.get(id)![at] === record)
    if (leaderId !== null) assert(hasAll(leaderId), 'the leader has every acknowledged record')
    // The last of all may be back without its logs while it is away again; who then leads is unclean, and said to be.
    const complete = [...after.isr, ...after.elr].filter(hasAll)
    assert(complete.length > 0, 'somebody who may lead has every acknowledged record')
    assert.equal(complete.length, after.isr.length + after.elr.length, 'everybody in sync or eligible has every one')
  }
}
