/**
 * One run of the replicas of a partition: a function of seed and profile. First anything may go wrong, with the invariants
 * checked after every step; then everything heals, and all must come together again.
 */
import type { ReplicationRules } from '../../src/replication/rules.ts'
import type { NodeId } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import type { Packet } from './packets.ts'
import { leadingOf, ReplicaCluster } from './replica-cluster.ts'
import { ReplicaInvariants } from './replica-invariants.ts'
import type { ReplicaNode } from './replica-node.ts'
import type { ReplicaAction, ReplicaProfile } from './replica-profiles.ts'

/** Of healing: what is produced then has to get everywhere, too. */
const lastWordsRound = 20

export class ReplicaRun {
  readonly cluster: ReplicaCluster
  readonly invariants: ReplicaInvariants
  readonly #random: Random
  readonly #profile: ReplicaProfile
  readonly #nodes: readonly ReplicaNode[]
  readonly #dropRate: number
  readonly #lateRate: number
  readonly #actions: readonly ReplicaAction[]
  readonly #weightTotal: number
  /** Copies that come again at any time. */
  readonly #late: Packet[] = []
  #isolated: NodeId | null = null

  constructor(seed: number, profile: ReplicaProfile, rules: Partial<ReplicationRules> = {}) {
    this.#random = seededRandom(seed)
    this.#profile = profile
    const [min, max] = profile.nodes
    const nodeCount = min + this.#random.nextInt(max - min + 1)
    // With one replica less to spare than there are, a loss of power is survived (KIP-966).
    const minInsyncReplicas = profile.policy === 'os' || this.#random.nextInt(2) === 0 ? 2 : -1
    this.cluster = new ReplicaCluster({ nodeCount, minInsyncReplicas, policy: profile.policy, rules })
    this.invariants = new ReplicaInvariants(this.cluster)
    this.#nodes = [...this.cluster.nodes.values()]
    this.#dropRate = this.#random.nextFloat() * profile.dropMax
    this.#lateRate = this.#random.nextFloat() * profile.lateMax
    this.#actions = Object.keys(profile.weights) as ReplicaAction[]
    this.#weightTotal = Object.values(profile.weights).reduce((sum, weight) => sum + weight, 0)
  }

  run(): void {
    for (let i = 0; i < this.#profile.steps; i++) {
      this.#act(this.#drawAction())
      this.invariants.check()
    }
    this.#heal()
  }

  #drawAction(): ReplicaAction {
    let left = this.#random.nextFloat() * this.#weightTotal
    for (const action of this.#actions) if ((left -= this.#profile.weights[action]) < 0) return action
    return 'tick'
  }

  #anyNode(): ReplicaNode {
    return this.#nodes[this.#random.nextInt(this.#nodes.length)]!
  }

  /** Mostly one that believes that it leads; there may be several. */
  #leaderOrAny(): ReplicaNode {
    const leading = this.#nodes.filter(node => leadingOf(node) !== null)
    return leading[this.#random.nextInt(leading.length)] ?? this.#anyNode()
  }

  #act(action: ReplicaAction): void {
    const { cluster } = this
    const node = this.#anyNode()
    switch (action) {
      case 'tick':
        cluster.nowMs += 20
        return
      case 'produce':
        cluster.produce(this.#leaderOrAny())
        return
      case 'send':
        cluster.send(this.#leaderOrAny(), node.id, this.#random.nextInt(4))
        return
      case 'deliver':
        this.#deliverOne()
        return
      case 'sync':
        cluster.sync(node)
        return
      case 'learn':
        cluster.learn(node)
        return
      case 'propose':
        cluster.propose(this.#leaderOrAny())
        return
      case 'loseLink':
        cluster.loseLink(this.#leaderOrAny(), node.id)
        return
      case 'isolate':
        this.#isolated = this.#isolated === null ? node.id : null
        return
      case 'crash':
        this.#crash(node)
        return
      case 'start':
        if (!node.isUp) cluster.start(node)
        return
      case 'fence':
        cluster.fence(node)
        return
      case 'heard':
        cluster.heard(node)
        return
      case 'balance':
        cluster.balance()
        return
      case 'checkpoint':
        node.checkpoint = node.highWatermark
        return
      case 'trim':
        this.#trim(this.#leaderOrAny())
    }
  }

  #deliverOne(): void {
    const { network } = this.cluster
    if (this.#late.length > 0 && this.#random.nextInt(12) === 0) {
      const [packet] = this.#late.splice(this.#random.nextInt(this.#late.length), 1)
      this.cluster.deliver(packet!)
    }
    if (network.length === 0) return
    // Mostly in order, sometimes not.
    const reach = this.#random.nextInt(4) === 0 ? network.length : Math.min(3, network.length)
    const packet = network[this.#random.nextInt(reach)]!
    const isCut = this.#isolated !== null && (packet.from === this.#isolated || packet.to === this.#isolated)
    if (isCut || this.#random.nextFloat() < this.#dropRate || network.length > 200) {
      // A request whose answer nobody waits for any more may still arrive.
      if (packet.kind === 'append' && this.#random.nextInt(2) === 0) this.#late.push(packet)
      this.cluster.drop(packet)
      return
    }
    const isCopied = packet.kind !== 'ask' && packet.kind !== 'told' && this.#random.nextFloat() < this.#lateRate
    if (isCopied) this.#late.push(packet)
    this.cluster.deliver(packet)
  }

  #crash(node: ReplicaNode): void {
    if (!node.isUp) return
    const { log } = node
    const { policy, partition } = this.cluster
    const isInSync = (other: ReplicaNode): boolean => partition.isr.includes(other.id) || other.imageCount === 0
    // So many losses of power are survived as there are replicas that must be in sync beyond the first: one.
    const others = this.#nodes.filter(other => other !== node)
    const mayLose = policy === 'os' && others.every(other => isInSync(other) && !other.isDamaged)
    if (policy === 'sync') {
      const spared = this.#random.nextInt(log.logEndOffset - log.durableEndOffset + 1)
      this.cluster.crash(node, log.durableEndOffset + spared, false)
    } else if (mayLose && this.#random.nextInt(2) === 0) {
      this.cluster.counts.powerLosses++
      const spared = this.#random.nextInt(log.logEndOffset - log.syncedEndOffset + 1)
      this.cluster.crash(node, log.syncedEndOffset + spared, true)
    } else this.cluster.crash(node, log.logEndOffset, false)
  }

  #trim(node: ReplicaNode): void {
    const { log, highWatermark } = node
    if (!node.isUp || highWatermark <= log.logStartOffset) return
    log.deleteBelow(log.logStartOffset + this.#random.nextInt(highWatermark - log.logStartOffset + 1))
  }

  /** Nothing more goes wrong: soon all are in sync, and all have all. */
  #heal(): void {
    const { cluster } = this
    this.#isolated = null
    const then = (act: () => void): void => {
      act()
      this.invariants.check()
    }
    for (const node of this.#nodes) if (!node.isUp) then(() => cluster.start(node))
    for (let round = 0; round < 200; round++) {
      cluster.nowMs += 20
      for (const node of this.#nodes) {
        then(() => cluster.heard(node))
        while (node.imageCount < cluster.images.length) then(() => cluster.learn(node))
        if (round === lastWordsRound) then(() => cluster.produce(node))
        then(() => cluster.sync(node))
        then(() => cluster.propose(node))
        for (const { id } of this.#nodes) cluster.send(node, id, 3)
      }
      while (cluster.network.length > 0) then(() => cluster.deliver(cluster.network[0]!))
      if (round > lastWordsRound && this.#isWhole()) return
    }
    throw new Error(`not healed: ${this.#describe()}`)
  }

  #isWhole(): boolean {
    const { isr, replicas } = this.cluster.partition
    const [{ log: first }] = this.#nodes as [ReplicaNode]
    return (
      isr.length === replicas.length &&
      this.#nodes.every(({ log, highWatermark }) => {
        return log.logEndOffset === first.logEndOffset && highWatermark === log.logEndOffset
      })
    )
  }

  #describe(): string {
    const { isr, elr, leaderId, leaderEpoch } = this.cluster.partition
    const nodes = this.#nodes.map(({ id, log, highWatermark, role }) => {
      return `${id} ${role?.kind} ${log.logStartOffset}-${log.logEndOffset} hw ${highWatermark}`
    })
    return `leader ${leaderId} in ${leaderEpoch}, ISR ${isr}, ELR ${elr}; ${nodes.join(', ')}`
  }
}
