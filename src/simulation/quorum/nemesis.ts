/** Breaks things, as often as the world says, each fault at moments of its own. */
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { SimRaftDisk } from '../sim-raft-storage.ts'
import { damageKinds } from '../sim-raft-storage-image.ts'
import type { Cluster } from './cluster.ts'
import type { FaultAtlas } from './fault-atlas.ts'
import type { Operator } from './operator.ts'
import type { Fault } from './profiles.ts'

export class Nemesis {
  readonly #cluster: Cluster
  readonly #operator: Operator
  readonly #atlas: FaultAtlas
  readonly #random: Random
  #isActive = true
  readonly counts: Partial<Record<Fault, number>> = {}

  constructor(cluster: Cluster, operator: Operator, atlas: FaultAtlas, random: Random) {
    this.#cluster = cluster
    this.#operator = operator
    this.#atlas = atlas
    this.#random = random
    for (const [fault, rate] of Object.entries(cluster.world.faults) as Array<[Fault, number]>) this.#plan(fault, rate)
  }

  /** No fault from now on; what is broken stays so until it is healed. */
  rest(): void {
    this.#isActive = false
  }

  #plan(fault: Fault, per100Seconds: number): void {
    if (per100Seconds <= 0) return
    const meanMs = 100_000 / per100Seconds
    this.#cluster.timeline.after(-Math.log(1 - this.#random.nextFloat()) * meanMs, () => {
      if (!this.#isActive) return
      const { timeline, trace } = this.#cluster
      trace.note(timeline.nowMs, `nemesis ${fault}`, 0, 0, 0)
      if (this.#actions[fault]()) this.counts[fault] = (this.counts[fault] ?? 0) + 1
      this.#plan(fault, per100Seconds)
    })
  }

  /** Each answers whether it did anything. */
  readonly #actions: Record<Fault, () => boolean> = {
    crash: () => this.#crash(this.#leaderOrAny()),
    crashAll: () => this.#crashAll(),
    pause: () => this.#pause(this.#leaderOrAny()),
    isolate: () => this.#isolate(this.#any()),
    isolateLeader: () => this.#isolate(this.#leaderOrAny()),
    split: () => this.#split(),
    bridge: () => this.#bridge(),
    ring: () => this.#ring(),
    cutOneWay: () => this.#cutOneWay(),
    mend: () => this.#mend(),
    clog: () => this.#clog(),
    breakConnections: () => this.#breakConnections(),
    transfer: () => this.#operator.transfer(this.#random.nextInt(4) === 0 ? null : this.#any()),
    addVoter: () => !this.#atlas.hasImpaired && this.#operator.addVoter(this.#any()),
    removeVoter: () => !this.#atlas.hasImpaired && this.#operator.removeVoter(this.#any()),
    wipe: () => this.#wipe(this.#leaderOrAny()),
    diskStall: () => this.#afflict(disk => disk.stall(this.#awayMs())),
    diskFull: () => this.#afflict(disk => disk.failNext('ENOSPC')),
    diskError: () => this.#afflict(disk => disk.failNext('EIO')),
    diskHang: () => this.#afflict(disk => disk.failNext('hang')),
    damage: () => this.#damage(this.#any()),
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

  #crash(id: NodeId): boolean {
    if (!this.#cluster.member(id).isUp) return false
    this.#cluster.crash(id)
    this.#cluster.timeline.after(this.#awayMs(), () => this.#cluster.start(id))
    return true
  }

  #crashAll(): boolean {
    for (const id of this.#cluster.ids) this.#crash(id)
    this.#cluster.sometimes.note('wholeClusterRestarted')
    return true
  }

  #pause(id: NodeId): boolean {
    if (!this.#cluster.member(id).isUp) return false
    this.#cluster.stop(id)
    this.#cluster.timeline.after(this.#awayMs(), () => this.#cluster.resume(id))
    return true
  }

  #cut(isCut: (from: NodeId, to: NodeId) => boolean): boolean {
    const { ids, links, network } = this.#cluster
    for (const from of ids) for (const to of ids) if (from !== to && isCut(from, to)) links.cut(from, to)
    network.notice()
    return true
  }

  #isolate(id: NodeId): boolean {
    return this.#cut((from, to) => from === id || to === id)
  }

  #split(): boolean {
    const left = new Set(this.#cluster.ids.filter(() => this.#random.nextInt(2) === 0))
    return this.#cut((from, to) => left.has(from) !== left.has(to))
  }

  /** Two halves that see each other only over one member, which sees everybody. */
  #bridge(): boolean {
    const middle = this.#any()
    const left = new Set(this.#cluster.ids.filter(id => id !== middle && this.#random.nextInt(2) === 0))
    return this.#cut((from, to) => from !== middle && to !== middle && left.has(from) !== left.has(to))
  }

  /** Everybody sees a majority, and no two the same: those nearest in a circle. */
  #ring(): boolean {
    const count = this.#cluster.ids.length
    const reach = Math.max(1, Math.floor(count / 4))
    return this.#cut((from, to) => {
      const distance = Math.abs(from - to)
      return Math.min(distance, count - distance) > reach
    })
  }

  #cutOneWay(): boolean {
    const id = this.#leaderOrAny()
    const isOutward = this.#random.nextInt(2) === 0
    const only = this.#random.nextInt(2) === 0 ? this.#any() : null
    return this.#cut((from, to) => {
      const [own, other] = isOutward ? [from, to] : [to, from]
      return own === id && (only === null || other === only)
    })
  }

  #mend(): boolean {
    this.#cluster.links.mendAll()
    return true
  }

  #clog(): boolean {
    this.#cluster.links.clog(this.#any(), this.#leaderOrAny(), this.#random.nextFloat() * 5000)
    return true
  }

  #breakConnections(): boolean {
    this.#cluster.network.breakConnections(this.#random.nextFloat())
    return true
  }

  #wipe(id: NodeId): boolean {
    if (!this.#atlas.mayImpair(id)) return false
    this.#operator.replace(id, this.#awayMs())
    return true
  }

  #afflict(afflict: (disk: SimRaftDisk) => boolean): boolean {
    const member = this.#cluster.member(this.#leaderOrAny())
    if (!afflict(member.disk)) return false
    member.isDiskSuspect = true
    return true
  }

  /** The damage is found when the member is started again; then it gets a new disk. */
  #damage(id: NodeId): boolean {
    const member = this.#cluster.member(id)
    const kind = damageKinds[this.#random.nextInt(damageKinds.length)]!
    if (!this.#atlas.mayImpair(id) || !member.disk.damage(kind, this.#random)) return false
    member.impairment = 'damaged'
    this.#crash(id)
    return true
  }
}
