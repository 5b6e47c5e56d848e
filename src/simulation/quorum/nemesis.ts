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
  #areMembersLeft = false
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

  /** No change of members from now on. */
  leaveMembers(): void {
    this.#areMembersLeft = true
  }

  get #mayChangeMembers(): boolean {
    return !this.#areMembersLeft && !this.#atlas.hasImpaired
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
    strand: () => this.#strand(),
    bridge: () => this.#bridge(),
    ring: () => this.#ring(),
    cutOneWay: () => this.#cutOneWay(),
    mend: () => this.#mend(),
    clog: () => this.#clog(),
    breakConnections: () => this.#breakConnections(),
    transfer: () => this.#transfer(),
    addVoter: () => this.#mayChangeMembers && this.#change(() => this.#operator.addVoter(this.#any())),
    removeVoter: () => this.#mayChangeMembers && this.#change(() => this.#operator.removeVoter(this.#any())),
    wipe: () => this.#wipe(this.#leaderOrAny()),
    diskStall: () => this.#afflict(this.#leaderOrAny(), disk => disk.stall(500 + this.#random.nextInt(3500))),
    diskFull: () => this.#afflict(this.#leaderOrAny(), disk => disk.failNext('ENOSPC')),
    diskError: () => this.#afflict(this.#leaderOrAny(), disk => disk.failNext('EIO')),
    diskHang: () => this.#afflict(this.#leaderOrAny(), disk => disk.failNext('hang')),
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

  /** A leader and one follower, whose disk is slow: what it is writing then, the next leader takes back. */
  #strand(): boolean {
    const leader = this.#cluster.leader()
    const other = this.#any()
    if (leader === null || leader.id === other) return false
    const pair = [leader.id, other]
    const stallMs = 2000 + this.#random.nextInt(2500)
    this.#afflict(other, disk => disk.stall(stallMs))
    this.#soon(stallMs, () => this.#mend())
    return this.#cut((from, to) => pair.includes(from) !== pair.includes(to))
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

  /** What the operator asks for: of a leader that, half of the time, is cut off in the middle of it. */
  #change(ask: () => boolean): boolean {
    const leader = this.#cluster.leader()
    if (leader === null || !ask()) return false
    if (this.#random.nextInt(2) === 0) this.#soon(150, () => this.#isolate(leader.id))
    return true
  }

  /** Half of the time the leader hears nothing any more, least of all that another one leads. */
  #transfer(): boolean {
    const leader = this.#cluster.leader()
    const to = this.#random.nextInt(4) === 0 ? null : this.#any()
    if (leader === null || !this.#operator.transfer(to)) return false
    if (this.#random.nextInt(2) === 0) this.#soon(20, () => this.#cut((_from, receiver) => receiver === leader.id))
    return true
  }

  /** Half of the time at the worst moment: when somebody is behind, who might then be elected by the one that forgot. */
  #wipe(id: NodeId): boolean {
    if (!this.#atlas.mayImpair(id)) return false
    if (this.#random.nextInt(2) === 0) {
      this.#operator.replace(id, this.#awayMs())
      return true
    }
    const leader = this.#cluster.leader()!
    const behind = this.#cluster.ids.find(other => other !== id && other !== leader.id)
    if (behind === undefined || id === leader.id) return false
    this.#isolate(behind)
    this.#soon(1000, () => {
      if (this.#cluster.leader() !== leader || !this.#atlas.mayImpair(id)) return
      this.#operator.replace(id, this.#random.nextFloat() * 100)
      this.#mend()
      this.#isolate(leader.id)
    })
    return true
  }

  #soon(withinMs: number, act: () => void): void {
    this.#cluster.timeline.after(this.#random.nextFloat() * withinMs, () => {
      if (this.#isActive) act()
    })
  }

  #afflict(id: NodeId, afflict: (disk: SimRaftDisk) => boolean): boolean {
    const member = this.#cluster.member(id)
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
