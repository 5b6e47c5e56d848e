/**
 * Once the faults end the cluster comes together within a bound: first, half of the time, without a minority of its
 * controllers and some of its brokers, which must be fenced then; and in the end with everybody, nobody fenced, all nodes
 * with the same metadata, which every one of them tells to clients, and every partition open where it belongs.
 */
import type { Partition } from '../../broker/partition.ts'
import { minIsrOf } from '../../metadata/election.ts'
import type { MetadataImage } from '../../metadata/image.ts'
import { finalReplicas, isReassigning } from '../../metadata/reassignment.ts'
import { halfOfReplicas } from '../../metadata/topic-configs.ts'
import type { Node } from '../../server/node.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { hold, Violation } from '../quorum/invariants/invariant.ts'
import type { AdminClient } from './admin-load.ts'
import type { NodeCluster } from './cluster.ts'
import type { DataLoad } from './data-load.ts'
import { mayStayAway } from './fault-atlas.ts'
import type { Machine } from './machine.ts'
import { digestOf } from './metadata-history.ts'
import type { Operator } from './operator.ts'

/** An election takes a few election timeouts, a silent broker's session three seconds, a lost connection as long. */
const convergenceMaxMs = 30_000
const checkIntervalMs = 100

export class ClusterHealing {
  readonly #cluster: NodeCluster
  readonly #clients: readonly AdminClient[]
  readonly #operator: Operator
  readonly #data: DataLoad
  readonly #random: Random
  #phaseBeganMs = 0
  isDone = false

  constructor(
    cluster: NodeCluster,
    clients: readonly AdminClient[],
    operator: Operator,
    data: DataLoad,
    random: Random,
  ) {
    this.#cluster = cluster
    this.#operator = operator
    this.#data = data
    this.#clients = clients
    this.#random = random
  }

  begin(): void {
    const { links, sockets, world, machines, history } = this.#cluster
    this.#cluster.note('healing')
    for (const client of this.#clients) client.retire()
    this.#operator.retire()
    this.#data.retire()
    links.calm(world.links)
    sockets.mended()
    // To found a cluster takes all of its controllers.
    // Else the others must serve what is damaged first.
    const isRepairedFirst = this.#random.nextInt(2) === 0
    const isFounded = history.latest !== null
    const absent = isFounded && this.#random.nextInt(2) === 0 ? this.#someAbsent() : new Set<NodeId>()
    for (const [id, machine] of machines) {
      machine.raftDisk.stall(0)
      machine.isRetired = absent.has(id)
      this.#cluster.resume(id)
      // What waits for a disk that never answers, or has given up a partition, is ended by whoever repairs the disk.
      if (machine.logFaults.hasFailed) this.#cluster.crash(id)
      if (isRepairedFirst) this.#repair(machine)
      machine.logFaults.end(machine.logDisk)
      const { failed, hung } = machine.logFaults.counts
      this.#cluster.sometimes.logDiskFailed += failed + hung
      if (machine.isRetired) this.#cluster.crash(id, !this.#cluster.world.isCautious)
      else this.#cluster.start(id)
    }
    this.#within('with what is left', () => this.#returnOfAll(absent))
  }

  /** What has noticed that its disk is damaged does not look again by itself. */
  #repair(machine: Machine): void {
    const isNoticed = (machine.life?.node?.broker.partitions.offlineCount ?? 0) > 0
    if (isNoticed) this.#cluster.sometimes.damageFound++
    if (machine.repair() && isNoticed) this.#cluster.crash(machine.id)
  }

  /** Never so many that no majority of controllers or no broker is left, nor those that have what others have lost. */
  #someAbsent(): Set<NodeId> {
    const { machines } = this.#cluster.world
    const shuffled = [...machines].sort(() => this.#random.nextFloat() - 0.5)
    const absent = new Set<NodeId>()
    const left = (count: (machine: (typeof machines)[number]) => boolean): number =>
      machines.filter(machine => count(machine) && !absent.has(machine.id)).length
    const controllerCount = left(({ isController }) => isController)
    for (const machine of shuffled.slice(0, 1 + this.#random.nextInt(machines.length))) {
      if (!mayStayAway(this.#cluster, machine.id)) continue
      absent.add(machine.id)
      const isEnough =
        left(({ isController }) => isController) * 2 > controllerCount && left(({ isBroker }) => isBroker) > 0
      if (!isEnough) absent.delete(machine.id)
    }
    return absent
  }

  #returnOfAll(absent: ReadonlySet<NodeId>): void {
    if (absent.size > 0) this.#cluster.sometimes.healedWithoutSome++
    for (const [id, machine] of this.#cluster.machines) {
      machine.isRetired = false
      this.#repair(machine)
      this.#cluster.start(id)
    }
    this.#within('with everybody', () => {
      this.#askEverybody()
        .then(() => this.#data.readAll())
        .then(
          () => {
            this.isDone = true
          },
          error => this.#cluster.fail(error),
        )
    })
  }

  /** Looks until the cluster has converged, then goes on with `then`. */
  #within(phase: string, then: () => void): void {
    const { timeline } = this.#cluster
    this.#phaseBeganMs = timeline.nowMs
    const look = (): void => {
      const missing = this.#whatIsMissing()
      if (missing === null) {
        then()
        return
      }
      if (timeline.nowMs - this.#phaseBeganMs > convergenceMaxMs) {
        this.#cluster.fail(new Violation(`healing ${phase}: ${missing}\n${this.#account()}`))
        return
      }
      timeline.after(checkIntervalMs, look)
    }
    timeline.after(checkIntervalMs, look)
  }

  /** `null`: nothing, the cluster is one. */
  #whatIsMissing(): string | null {
    if (!this.#clients.every(client => client.isIdle)) return 'a client waits for its answer'
    if (!this.#operator.isIdle) return 'an operator is at work'
    if (!this.#data.isIdle) return 'a producer waits for its answer'
    const up = [...this.#cluster.machines.values()].filter(({ isRetired }) => !isRetired)
    const leader = this.#cluster.leader()
    if (leader === null) return 'nobody leads'
    const image = leader.node!.controller.metadata.image()
    for (const { id, life } of up) {
      if (life === null || !life.isServing) return `node ${id} does not serve`
      const [reason] = life.node!.notReadyReasons()
      if (reason !== undefined) return `node ${id}: ${reason}`
      if (digestOf(life.node!.controller.metadata.image()) !== digestOf(image)) return `node ${id} has another image`
      const misplaced = misplacedPartition(id, life.node!, image)
      if (misplaced !== null) return `node ${id}: ${misplaced}`
    }
    const machines = [...this.#cluster.machines.values()]
    const misfit = machines.map(machine => standing(machine, image)).find(fault => fault !== null)
    const isWhole = up.length === machines.length
    return (
      misfit ??
      unhealedPartition(image, this.#cluster.machines) ??
      (isWhole ? unfinishedMove(image, this.#cluster.machines) : null)
    )
  }

  /** Every node tells the same, and it is what the metadata say. */
  async #askEverybody(): Promise<void> {
    const { history, ids } = this.#cluster
    const topics = [...history.latest!.topics.byId.values()].map(({ name, id }) => `${name} ${id}`).sort()
    for (const id of ids) {
      const listed = await this.#clients[0]!.listAt(id)
      hold(String(listed) === String(topics), 'every node tells the same', () => `node ${id}: ${listed}, not ${topics}`)
    }
  }

  #account(): string {
    return [...this.#cluster.machines.values()]
      .map(({ id, life, isRetired }) => {
        if (life === null) return `${id}: down${isRetired ? ', as it should be' : ''}`
        if (life.node === null) return `${id}: starting`
        const { role, term, leaderId, commitIndex, appliedIndex } = life.node.controller.status()
        const { lastOffset } = life.node.controller.metadata.image()
        const unreached = life.node.peerNetwork?.unreached().map(peer => `${peer.id} (${peer.reason})`)
        return `${id}: ${role} of ${term}, leader ${leaderId}, commit ${commitIndex}, applied ${appliedIndex}, offset ${lastOffset}, unreached ${unreached}`
      })
      .join('\n')
  }
}

/** Who is there is not fenced, and who is not there is. */
function standing({ id, isBroker, isRetired }: Machine, image: MetadataImage): string | null {
  const broker = image.brokers.get(id)
  if (!isBroker) return broker === undefined ? null : `node ${id} is registered and no broker`
  if (isRetired) return broker === undefined || broker.isFenced ? null : `broker ${id} is away and not fenced`
  if (broker === undefined) return `broker ${id} is not registered`
  if (broker.isFenced) return `broker ${id} is fenced`
  if (broker.isUnfit) return `broker ${id} is unfit`
  return broker.isDraining ? `broker ${id} is draining` : null
}

/** Each partition of the image is open on its brokers, and nothing else is. */
function misplacedPartition(id: NodeId, { broker }: Node, image: MetadataImage): string | null {
  const open = new Set([...broker.partitions.all()].map(({ id: { topicId, partition } }) => `${topicId} ${partition}`))
  for (const { name, id: topicId, partitions } of image.topics.byId.values()) {
    for (const [partition, { replicas, leaderEpoch, leaderId }] of partitions.entries()) {
      if (replicas.includes(id) && !open.has(`${topicId} ${partition}`)) return `${name}-${partition} is not open`
      if (leaderId !== id) continue
      const found = broker.partitions.find(name, topicId, partition, leaderEpoch)
      if ('error' in found) return `${name}-${partition}: ${found.error}`
    }
  }
  for (const partition of broker.partitions.all()) {
    if (!image.topics.byId.has(partition.id.topicId)) return `${partition.id.topic} is open and deleted`
  }
  return null
}

/** Who is up is in sync, with all that the others have; only where nobody who is trusted is up nobody leads. */
function unhealedPartition(image: MetadataImage, machines: ReadonlyMap<NodeId, Machine>): string | null {
  for (const { name, partitions, configs } of image.topics.byId.values()) {
    const minIsr = Number(configs.get('min.insync.replicas') ?? halfOfReplicas)
    for (const [partition, found] of partitions.entries()) {
      const { replicas, isr, elr, leaderId } = found
      const isUp = (id: NodeId): boolean => {
        const machine = machines.get(id)!
        return !machine.isRetired && !isOffline(machine, name, partition)
      }
      const what = `${name}-${partition} with ISR ${isr} and ELR ${elr}`
      if (leaderId === null) {
        const mayLead = configs.get('unclean.leader.election.enable') === 'true' ? replicas : [...isr, ...elr]
        if (mayLead.some(isUp)) return `${what} has no leader`
        continue
      }
      if (!isUp(leaderId)) return `${what} is led by ${leaderId}, which is away`
      if (!replicas.every(id => isr.includes(id) === isUp(id))) return `${what} of ${replicas}`
      // A leader with too few in sync may begin with a lower high watermark than a follower knows, and cannot raise it.
      if (isr.length < minIsrOf(found, minIsr)) continue
      // A follower may keep records of an old epoch behind that end until its leader has others for their place.
      const ends = replicas.filter(isUp).map(id => committedAt(machines.get(id)!, name, partition))
      if (new Set(ends).size > 1) return `${what}: its replicas know of ${ends.join(' and ')} to be committed`
    }
  }
  return null
}

function unfinishedMove(image: MetadataImage, machines: ReadonlyMap<NodeId, Machine>): string | null {
  for (const { name, partitions } of image.topics.byId.values()) {
    for (const [partition, found] of partitions.entries()) {
      // One of those that shall have it had it before, and it was damaged there: that waits for whoever repairs it.
      const isHeldUp = finalReplicas(found).some(id => isOffline(machines.get(id)!, name, partition))
      if (isReassigning(found) && !isHeldUp) return `${name}-${partition} is being moved`
    }
  }
  return null
}

function committedAt(machine: Machine, topic: string, partition: number): number | null {
  return replicaAt(machine, topic, partition)?.highWatermark ?? null
}

function isOffline(machine: Machine, topic: string, partition: number): boolean {
  return (replicaAt(machine, topic, partition)?.log.failure ?? null) !== null
}

function replicaAt({ life }: Machine, topic: string, partition: number): Partition | null {
  for (const found of life?.node?.broker.partitions.all() ?? []) {
    if (found.id.topic === topic && found.id.partition === partition) return found
  }
  return null
}
