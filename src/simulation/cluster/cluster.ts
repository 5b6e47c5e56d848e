/** A simulated cluster of whole nodes: machines, what runs on them, the network between them, and who watches them. */
import type { MetadataImage } from '../../metadata/image.ts'
import type { Node } from '../../server/node.ts'
import type { Clock } from '../../util/clock.ts'
import { StorageError } from '../../util/errors.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { forkRandom } from '../quorum/cluster.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import { Links } from '../quorum/links.ts'
import { SimProcess } from '../quorum/process.ts'
import { Timeline } from '../quorum/timeline.ts'
import type { Trace } from '../quorum/trace.ts'
import { SimDisk } from '../sim-disk.ts'
import { SimDirectory } from '../sim-image.ts'
import { SimRaftDisk } from '../sim-raft-storage.ts'
import type { ClusterRules } from './cluster-rules.ts'
import { LogDiskFaults } from './log-disk-faults.ts'
import { clientUrlOf, Machine, peerUrlOf } from './machine.ts'
import { MetadataHistory } from './metadata-history.ts'
import { NodeLife } from './node-life.ts'
import { SimSockets } from './sim-sockets.ts'
import { noClusterCounts } from './sometimes.ts'
import type { ClusterWorld, MachineWorld } from './world.ts'

/** Two leaders of one term would be leaders for longer. */
const leaderCheckIntervalMs = 25
/** When a supervisor loses patience with a process that was told to stop. */
const stopPatienceMs = 10_000
/** …and when it starts one again that has failed. */
const restartAfterMs = 1_000

export interface NodeClusterOptions {
  readonly world: ClusterWorld
  readonly random: Random
  readonly trace: Trace
  readonly rules: ClusterRules
}

export class NodeCluster {
  readonly timeline = new Timeline()
  readonly links: Links
  readonly sockets: SimSockets
  readonly sometimes = noClusterCounts()
  readonly history = new MetadataHistory(this.sometimes)
  readonly machines = new Map<NodeId, Machine>()
  readonly world: ClusterWorld
  readonly trace: Trace
  readonly #random: Random
  readonly #rules: ClusterRules
  readonly #voters: ReadonlyMap<NodeId, string>
  readonly #leaderOfTerm = new Map<number, NodeId>()
  #clusterId: string | null = null
  #failure: Error | null = null

  constructor({ world, random, trace, rules }: NodeClusterOptions) {
    this.world = world
    this.trace = trace
    this.#random = random
    this.#rules = rules
    this.links = new Links(this.timeline, forkRandom(random), world.links)
    this.sockets = new SimSockets(this.links, forkRandom(random))
    for (const machine of world.machines) this.#install(machine)
    const controllers = world.machines.filter(({ isController }) => isController)
    this.#voters = new Map(controllers.map(({ id }) => [id, peerUrlOf(id)]))
    this.#watchLeaders()
  }

  get ids(): readonly NodeId[] {
    return [...this.machines.keys()]
  }

  /** The first thing that went wrong. */
  get failure(): Error | null {
    return this.#failure
  }

  fail(error: unknown): void {
    this.#failure ??= error as Error
  }

  machine(id: NodeId): Machine {
    return this.machines.get(id)!
  }

  note(what: string, id: NodeId | 0 = 0, detail?: unknown): void {
    this.trace.note(this.timeline.nowMs, what, id, 0, 0, detail)
  }

  /** Who leads in the highest term among those that run. */
  leader(): NodeLife | null {
    let found: NodeLife | null = null
    let termMax = -1
    for (const { life } of this.machines.values()) {
      if (life === null || life.node === null || life.process.isStopped) continue
      const { role, term } = life.node.controller.status()
      if (role === 'leader' && term > termMax) [found, termMax] = [life, term]
    }
    return found
  }

  start(id: NodeId): void {
    const machine = this.machine(id)
    if (machine.isUp || machine.isRetired) return
    this.note('start', id)
    const rate = 1 + (2 * this.#random.nextFloat() - 1) * this.world.driftMax
    const life: NodeLife = new NodeLife({
      machine,
      world: this.world,
      voters: this.#voters,
      process: new SimProcess(this.timeline, rate, this.#random.nextInt(1_000_000)),
      sockets: this.sockets,
      random: forkRandom(this.#random),
      logger: this.#logger(id),
      rules: this.#rules,
      onOpen: node => this.#onOpen(id, node),
      onFatal: error => this.#onFatal(machine, life, error),
    })
    machine.life = life
    life.open()
  }

  /**
   * The process ends between two events, whatever it was doing; `isSilent`: with the power of its machine, without a word to
   * those it talked to. Whether that takes the caches of its disk along depends on the world.
   */
  crash(id: NodeId, isSilent = false): void {
    const machine = this.machine(id)
    if (machine.life === null) return
    this.note(isSilent ? 'power loss' : 'crash', id)
    const losesCaches = isSilent && this.world.losesCaches
    machine.life.process.kill()
    this.sockets.detach(id, isSilent)
    machine.endLife(losesCaches, this.#random)
  }

  /** The machine comes back with an empty disk in the place of that with its partitions. */
  wipe(id: NodeId): void {
    const machine = this.machine(id)
    this.crash(id)
    this.note('wiped', id)
    machine.wipe()
  }

  /** The process is told to stop; `ended` is called when it has, or was killed because it did not. */
  shutdown(id: NodeId, ended: () => void): void {
    const { life } = this.machine(id)
    if (life === null || life.process.isStopped) return
    this.note('shutdown', id)
    const isStart = !life.isServing
    const end = (): void => {
      patience.isCancelled = true
      if (this.machine(id).life !== life) return
      this.crash(id)
      ended()
    }
    const patience = this.timeline.after(stopPatienceMs, end)
    life.stop().then(
      () => {
        this.sometimes[isStart ? 'startGivenUp' : 'stoppedInOrder']++
        // The process goes on until the event is over.
        this.timeline.after(0, end)
      },
      error => this.#onFatal(this.machine(id), life, error),
    )
  }

  pause(id: NodeId): void {
    const { life } = this.machine(id)
    if (life === null) return
    this.note('stop', id)
    life.process.stop()
  }

  resume(id: NodeId): void {
    const { life } = this.machine(id)
    if (life === null || !life.process.isStopped) return
    this.note('resume', id)
    life.process.resume()
  }

  mend(): void {
    this.links.mendAll()
    this.sockets.mended()
  }

  #install(world: MachineWorld): void {
    const { id } = world
    const random = forkRandom(this.#random)
    const { writeDelayMeanMs, syncDelayMs } = this.world
    const raftDisk = new SimRaftDisk({
      nodeId: id,
      random,
      after: (delayMs, run) => this.timeline.after(delayMs, run),
      writeDelayMs: () => -Math.log(1 - random.nextFloat()) * writeDelayMeanMs,
    })
    const clock = clockOn(() => this.machine(id).life!.process)
    const logFaults = new LogDiskFaults(forkRandom(random), syncDelayMs, () => this.timeline.nowMs)
    const newLogDisk = (): SimDisk => new SimDisk({ clock, syncDelayMs: logFaults.syncDelay }, emptyDataDirectory())
    this.machines.set(id, new Machine(world, { raftDisk, logDisk: newLogDisk(), logFaults, newLogDisk }))
    this.sockets.place(clientUrlOf(id), id)
    this.sockets.place(peerUrlOf(id), id)
  }

  #onOpen(id: NodeId, node: Node): void {
    this.#clusterId ??= node.clusterId
    this.machine(id).incarnations.add(node.incarnationId)
    if (node.clusterId !== this.#clusterId) this.fail(new Violation(`node ${id} is in cluster ${node.clusterId}`))
    let before: MetadataImage | null = null
    const onImage = (image: MetadataImage): void => {
      this.trace.note(this.timeline.nowMs, 'image', id, 0, image.lastOffset, image.lastOffset)
      try {
        this.history.published(id, image, before)
      } catch (error) {
        // Nothing is thrown into production code; the run ends with this event.
        this.fail(error)
      }
      before = image
    }
    onImage(node.controller.metadata.image())
    node.controller.metadata.subscribe(onImage)
  }

  /** A process that fails because its disk was told to is a fault like others; one that fails by itself is a bug. */
  #onFatal(machine: Machine, life: NodeLife, error: Error): void {
    if (machine.life !== life || !life.process.isAlive) return
    this.note('fatal', machine.id, error)
    const { raftDisk, logFaults } = machine
    const hasFailed = raftDisk.hasFailed || raftDisk.counts.stall > 0 || logFaults.hasFailed
    if (!(error instanceof StorageError) || !hasFailed) {
      const message = `node ${machine.id} failed: ${error.name}: ${error.message}`
      this.fail(new Violation(message, { cause: error }))
      return
    }
    if (!logFaults.hasFailed) this.sometimes.diskFailed++
    // It ends a moment later, and keeps still by itself until then.
    this.timeline.after(1, () => {
      if (machine.life === life) this.crash(machine.id)
    })
    this.timeline.after(restartAfterMs, () => this.start(machine.id))
  }

  #watchLeaders(): void {
    this.timeline.after(leaderCheckIntervalMs, () => {
      for (const { id, life } of this.machines.values()) this.#watchLeader(id, life)
      this.#watchLeaders()
    })
  }

  #watchLeader(id: NodeId, life: NodeLife | null): void {
    if (life === null || life.node === null) return
    const { role, term } = life.node.controller.status()
    if (role !== 'leader') return
    const known = this.#leaderOfTerm.get(term)
    if (known !== undefined && known !== id) this.fail(new Violation(`nodes ${known} and ${id} lead in term ${term}`))
    if (known === undefined && this.#leaderOfTerm.size > 0) this.sometimes.leaderChanged++
    this.#leaderOfTerm.set(term, id)
  }

  #logger(id: NodeId): Logger {
    const say = (fields: Record<string, unknown>, message: string): void =>
      this.trace.note(this.timeline.nowMs, 'says', id, 0, message.length, { message, ...fields })
    return { debug() {}, info: say, warn: say, error: say }
  }
}

/** The node finds it made, and durable: that is work of `openDataDirectory`. */
function emptyDataDirectory(): SimDirectory {
  const root = new SimDirectory()
  root.change([['data', new SimDirectory()]])
  root.captureSync()()
  return root
}

/** Of whatever process runs there now. */
function clockOn(process: () => SimProcess): Clock {
  return {
    nowMs: () => process().nowMs(),
    wallClockMs: () => process().wallClockMs(),
    setTimer: (delayMs, fn) => process().setTimer(delayMs, fn),
    defer: fn => process().defer(fn),
  }
}
