/** Breaks things in a cluster of nodes, as often as its world says, each fault at moments of its own. */
import { transferLeadership } from '../../protocol/apis/index.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { forkRandom } from '../quorum/cluster.ts'
import type { WriteFault } from '../sim-raft-storage.ts'
import type { NodeCluster } from './cluster.ts'
import { bridging, type Cut, isolating, oneWay, splitting } from './cuts.ts'
import { mayLoseDisk, mayLosePower } from './fault-atlas.ts'
import type { Machine } from './machine.ts'
import { rotSomewhere } from './rot.ts'
import { Strikes } from './strikes.ts'
import type { ClusterFault } from './world.ts'

const diskFaults: readonly WriteFault[] = ['EIO', 'ENOSPC', 'hang']

export class ClusterNemesis {
  readonly #cluster: NodeCluster
  /** Those of clients; cuts separate them, too. */
  readonly #clientIds: readonly NodeId[]
  readonly #random: Random
  readonly #strikes: Strikes
  #isActive = true
  readonly counts: Partial<Record<ClusterFault, number>> = {}

  constructor(cluster: NodeCluster, clientIds: readonly NodeId[], random: Random) {
    this.#cluster = cluster
    this.#clientIds = clientIds
    this.#random = random
    const blows = {
      crash: (id: NodeId, isSilent: boolean) => this.#crash(id, isSilent),
      pause: (id: NodeId) => this.#pause(id),
      cut: (isCut: Cut) => this.#cut(isCut),
      clog: (from: NodeId, to: NodeId, ms: number) => this.#cluster.links.clog(from, to, ms),
    }
    this.#strikes = new Strikes(cluster, blows, forkRandom(random))
    for (const [fault, rate] of Object.entries(cluster.world.faults) as Array<[ClusterFault, number]>)
      this.#plan(fault, rate)
  }

  /** No fault from now on; what is broken stays so until it is healed. */
  rest(): void {
    this.#isActive = false
    this.#strikes.rest()
  }

  #plan(fault: ClusterFault, per100Seconds: number): void {
    if (per100Seconds <= 0) return
    const meanMs = 100_000 / per100Seconds
    this.#cluster.timeline.after(-Math.log(1 - this.#random.nextFloat()) * meanMs, () => {
      if (!this.#isActive) return
      this.#cluster.note(`nemesis ${fault}`)
      if (this.#actions[fault]()) this.counts[fault] = (this.counts[fault] ?? 0) + 1
      this.#plan(fault, per100Seconds)
    })
  }

  /** Each answers whether it did anything. */
  readonly #actions: Record<ClusterFault, () => boolean> = {
    crash: () => this.#crash(this.#leaderOrAny(), false),
    powerLoss: () => this.#crash(this.#leaderOrAny(), true),
    crashAll: () => this.#crashAll(),
    shutdown: () => this.#shutdown(this.#leaderOrAny()),
    pause: () => this.#pause(this.#leaderOrAny()),
    isolate: () => this.#cut(isolating(this.#any())),
    isolateLeader: () => this.#cut(isolating(this.#leaderOrAny())),
    strikeLeader: () => this.#strikes.leader(),
    strikeFollower: () => this.#strikes.follower(),
    strikeNewcomer: () => this.#strikes.newcomer(),
    strikeHeir: () => this.#strikes.heir(),
    strikeProposal: () => this.#strikes.proposal(),
    split: () => this.#cut(splitting([...this.#cluster.ids, ...this.#clientIds], this.#random)),
    bridge: () => this.#cut(bridging(this.#cluster.ids, this.#any(), this.#random)),
    cutOneWay: () => this.#cut(oneWay(this.#leaderOrAny(), this.#random.nextInt(2) ? this.#any() : null, this.#random)),
    mend: () => this.#do(() => this.#cluster.mend()),
    clog: () => this.#do(() => this.#clog()),
    reset: () => this.#do(() => this.#cluster.sockets.reset(this.#random.nextFloat())),
    forget: () => this.#do(() => this.#cluster.sockets.forget(this.#random.nextFloat() / 2)),
    transfer: () => this.#transfer(),
    diskStall: () => this.#cluster.machine(this.#leaderOrAny()).raftDisk.stall(this.#awayMs()),
    diskFailure: () => this.#cluster.machine(this.#leaderOrAny()).raftDisk.failNext(this.#diskFault()),
    logDiskFailure: () =>
      this.#logDisk(({ logFaults }) => logFaults.failNext(this.#random.nextInt(3) ? 'EIO' : 'hang')),
    logDiskSlow: () => this.#logDisk(({ logFaults }) => logFaults.slowDown(1_000, this.#awayMs())),
    logDiskFull: () => this.#logDisk(machine => this.#fill(machine)),
    rot: () => rotSomewhere(this.#cluster, this.#someBroker(), this.#random),
    wipe: () => this.#wipe(this.#someBroker().id),
  }

  #any(): NodeId {
    const { ids } = this.#cluster
    return ids[this.#random.nextInt(ids.length)]!
  }

  /** Half of the time the leader: what happens to it matters most. */
  #leaderOrAny(): NodeId {
    const leader = this.#random.nextInt(2) === 0 ? this.#cluster.leader() : null
    return leader?.id ?? this.#any()
  }

  #awayMs(): number {
    return -Math.log(1 - this.#random.nextFloat()) * this.#cluster.world.awayMeanMs
  }

  #diskFault(): WriteFault {
    return diskFaults[this.#random.nextInt(diskFaults.length)]!
  }

  #do(action: () => void): boolean {
    action()
    return true
  }

  #crash(id: NodeId, isSilent: boolean): boolean {
    if (!this.#cluster.machine(id).isUp) return false
    // Where nobody may stop but with its machine, the machine goes.
    const isWhole = isSilent || this.#cluster.world.isCautious
    if (isWhole && !mayLosePower(this.#cluster, id)) return false
    this.#cluster.crash(id, isWhole)
    this.#startLater(id)
    return true
  }

  #crashAll(): boolean {
    for (const id of this.#cluster.ids) this.#crash(id, true)
    this.#cluster.sometimes.wholeClusterRestarted++
    return true
  }

  #shutdown(id: NodeId): boolean {
    if (!this.#cluster.machine(id).isUp) return false
    this.#cluster.shutdown(id, () => this.#startLater(id))
    return true
  }

  #startLater(id: NodeId): void {
    this.#cluster.timeline.after(this.#awayMs(), () => this.#cluster.start(id))
  }

  #pause(id: NodeId): boolean {
    if (!this.#cluster.machine(id).isUp) return false
    this.#cluster.pause(id)
    this.#cluster.timeline.after(this.#awayMs(), () => this.#cluster.resume(id))
    return true
  }

  #logDisk(act: (machine: Machine) => void): boolean {
    act(this.#someBroker())
    return true
  }

  #someBroker(): Machine {
    const brokers = [...this.#cluster.machines.values()].filter(({ isBroker }) => isBroker)
    return brokers[this.#random.nextInt(brokers.length)]!
  }

  #wipe(id: NodeId): boolean {
    if (!this.#cluster.machine(id).isUp || !mayLoseDisk(this.#cluster, id)) return false
    this.#cluster.wipe(id)
    this.#cluster.sometimes.diskWiped++
    this.#startLater(id)
    return true
  }

  #fill(machine: Machine): void {
    const { timeline, sometimes } = this.#cluster
    machine.logFaults.fill(machine.logDisk)
    timeline.after(this.#awayMs(), () => {
      if (machine.life?.node?.logs.stats().isDiskFull === true) sometimes.logDiskWasFull++
      machine.logFaults.end(machine.logDisk)
    })
  }

  #cut(isCut: Cut): boolean {
    const { links, ids } = this.#cluster
    // Half of the time clients see everybody, also those that nobody else sees.
    const all = this.#random.nextInt(2) === 0 ? ids : [...ids, ...this.#clientIds]
    for (const from of all) for (const to of all) if (from !== to && isCut(from, to)) links.cut(from, to)
    return true
  }

  #clog(): void {
    this.#cluster.links.clog(this.#any(), this.#leaderOrAny(), this.#random.nextFloat() * 4000)
  }

  #transfer(): boolean {
    const leader = this.#cluster.leader()
    if (leader === null) return false
    const { controller } = leader.node!
    const others = [...this.#cluster.machines.values()].filter(
      ({ id, isController }) => isController && id !== leader.id,
    )
    // Half of the time to one that stands still by then: the leader takes nothing meanwhile, and leads on.
    const to = this.#random.nextInt(2) === 0 ? null : (others[this.#random.nextInt(others.length)]?.id ?? null)
    if (to !== null) this.#pause(to)
    leader.process.receive(() => {
      controller.request(transferLeadership, { to, timeoutMs: 2_000 }).catch(() => undefined)
    })
    return true
  }
}
