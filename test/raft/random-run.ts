/**
 * One run of a random cluster: a function of seed and profile. First anything may go wrong, with the invariants checked
 * after every step; then everything heals, and the cluster must come together again and stay so.
 */
import { decodeConfiguration } from '../../src/raft/configuration.ts'
import type { Rules } from '../../src/raft/options.ts'
import { hasQuorum } from '../../src/raft/quorum-math.ts'
import type { Configuration } from '../../src/raft/types.ts'
import { type NodeId, toLogIndex } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { bytesOf, Cluster, type Packet } from './cluster.ts'
import { checkUndisturbed, heal, isIntact } from './heal.ts'
import { Invariants } from './invariants.ts'
import type { Action, Profile } from './profiles.ts'

export class RandomRun {
  readonly cluster: Cluster
  readonly invariants: Invariants
  readonly #random: Random
  readonly #profile: Profile
  readonly #ids: readonly number[]
  readonly #dropRate: number
  readonly #duplicateRate: number
  readonly #actions: readonly Action[]
  readonly #weightTotal: number
  readonly #lateRate: number
  /** Copies that come long after the packet itself, perhaps in another term. */
  readonly #late: Packet[] = []
  /** Servers whose clocks stand still. */
  readonly #paused = new Set<number>()
  /** `from/to` of links that carry nothing. */
  readonly #cut = new Set<string>()
  #counter = 0

  constructor(seed: number, profile: Profile, rules: Partial<Rules> = {}) {
    this.#random = seededRandom(seed)
    this.#profile = profile
    const [min, max] = profile.servers
    const count = min + this.#random.nextInt(max - min + 1)
    this.#ids = Array.from({ length: count }, (_, i) => i + 1)
    const voterCount = profile.hasSpares ? 1 + this.#random.nextInt(Math.min(3, count)) : count
    this.cluster = new Cluster({
      voters: this.#ids.slice(0, voterCount),
      spares: this.#ids.slice(voterCount),
      seed,
      rules,
      options: {
        electionTimeoutTicks: 4,
        heartbeatTicks: 1,
        appendBytesMax: 30 + this.#random.nextInt(200),
        inFlightBytesMax: 500,
        inFlightCountMax: 1 + this.#random.nextInt(4),
        uncommittedBytesMax: 2000,
      },
    })
    this.invariants = new Invariants(this.cluster)
    this.#dropRate = this.#random.nextFloat() * profile.dropMax
    this.#duplicateRate = this.#random.nextFloat() * profile.duplicateMax
    this.#lateRate = this.#random.nextFloat() * profile.lateMax
    this.#actions = Object.keys(profile.weights) as Action[]
    this.#weightTotal = Object.values(profile.weights).reduce((sum, weight) => sum + weight, 0)
  }

  run(): void {
    this.cluster.startAll()
    for (let i = 0; i < this.#profile.steps; i++) this.#act(this.#drawAction())
    this.#cut.clear()
    heal(this.cluster, `last${++this.#counter}`)
    checkUndisturbed(this.cluster, this.#random)
  }

  #drawAction(): Action {
    let left = this.#random.nextFloat() * this.#weightTotal
    for (const action of this.#actions) if ((left -= this.#profile.weights[action]) < 0) return action
    return 'tick'
  }

  #anyId(): number {
    return this.#ids[this.#random.nextInt(this.#ids.length)]!
  }

  /** Mostly the leader: what only a leader accepts should not be wasted on the others too often. */
  #leaderOrAny(): number {
    const leader = this.cluster.leader()
    return leader !== null && this.#random.nextInt(8) > 0 ? leader.id : this.#anyId()
  }

  #act(action: Action): void {
    const { cluster } = this
    const id = this.#anyId()
    switch (action) {
      case 'tick':
        if (!this.#paused.has(id)) cluster.drive(id, { kind: 'tick' })
        return
      case 'deliver':
        this.#deliverOne()
        return
      case 'write':
        cluster.finishWrite(id)
        return
      case 'propose':
        this.#propose()
        return
      case 'read':
        this.#read()
        return
      case 'crash':
        if (cluster.server(id).life !== null) cluster.crash(id)
        return
      case 'restart':
        if (cluster.server(id).life === null) cluster.start(id)
        return
      case 'pause':
        this.#pauseOrResume(this.#leaderOrAny())
        return
      case 'cut':
        this.#cutOrJoin(id, this.#anyId())
        return
      case 'snapshot':
        cluster.takeSnapshot(id, this.#random.nextInt(3))
        return
      case 'transfer':
        cluster.drive(this.#leaderOrAny(), { kind: 'transfer', to: id as NodeId })
        return
      case 'membership':
        this.#changeMembership()
        return
      case 'observe':
        this.#observe(id as NodeId)
        return
      case 'wipe':
        this.#wipe(id as NodeId)
    }
  }

  #deliverOne(): void {
    const { network } = this.cluster
    if (this.#late.length > 0 && this.#random.nextInt(20) === 0) this.#deliverLate()
    if (network.length === 0) return
    // Mostly in order, sometimes not.
    const reach = this.#random.nextInt(4) === 0 ? network.length : Math.min(3, network.length)
    const packet = network[this.#random.nextInt(reach)]!
    if (this.#isCut(packet) || this.#random.nextFloat() < this.#dropRate || network.length > 300) {
      this.cluster.drop(packet)
      return
    }
    // Snapshots are slow, so that the next one is under way before they arrive.
    const isSlow = packet.message.kind === 'installSnapshot' || this.#random.nextFloat() < this.#lateRate
    if (isSlow && this.#lateRate > 0) this.#late.push(packet)
    this.cluster.deliver(packet, this.#random.nextFloat() < this.#duplicateRate)
  }

  #deliverLate(): void {
    // What a leader hears does most harm.
    const leaderId = this.cluster.leader()?.id
    const toLeader = this.#late.filter(packet => packet.to === leaderId)
    const among = toLeader.length > 0 && this.#random.nextInt(2) === 0 ? toLeader : this.#late
    const packet = among[this.#random.nextInt(among.length)]!
    if (this.#isCut(packet)) return
    this.#late.splice(this.#late.indexOf(packet), 1)
    this.cluster.deliver(packet, true)
  }

  /** Asked of whoever believes to lead, not only of who does. */
  #read(): void {
    const leading = this.#ids.filter(id => this.cluster.server(id).life?.raft.role.kind === 'leader')
    const id = leading[this.#random.nextInt(leading.length)] ?? this.#anyId()
    this.cluster.drive(id, { kind: 'readIndex', id: ++this.#counter })
    this.cluster.drive(id, { kind: 'flush' })
  }

  #propose(): void {
    const leader = this.#leaderOrAny()
    const count = 1 + this.#random.nextInt(2)
    const entries = Array.from({ length: count }, () => bytesOf(`v${++this.#counter}`))
    this.cluster.drive(leader, { kind: 'proposal', entries })
    if (this.#random.nextInt(2) === 0) this.cluster.drive(leader, { kind: 'flush' })
  }

  /** Cut off as well: it cannot know how long it was, and hears of nobody who came after it. */
  #pauseOrResume(id: number): void {
    if (this.#paused.size > 0) {
      this.#paused.clear()
      this.#cut.clear()
    } else {
      this.#paused.add(id)
      this.#isolate(id)
    }
  }

  #isolate(id: number): void {
    for (const other of this.#ids) this.#cut.add(`${id}/${other}`).add(`${other}/${id}`)
  }

  #cutOrJoin(from: number, to: number): void {
    const link = `${from}/${to}`
    if (this.#cut.size > 0 && this.#random.nextInt(2) === 0) this.#cut.clear()
    else if (this.#random.nextInt(2) === 0) this.#cut.add(link)
    else this.#isolate(from)
  }

  #changeMembership(): void {
    const shuffled = [...this.#ids].sort(() => this.#random.nextFloat() - 0.5) as NodeId[]
    const voterCount = 1 + this.#random.nextInt(Math.min(5, shuffled.length))
    const learnerCount = this.#random.nextInt(shuffled.length - voterCount + 1)
    const voters = shuffled.slice(0, voterCount)
    const learners = shuffled.slice(voterCount, voterCount + learnerCount)
    const to = this.#leaderOrAny()
    const current = this.cluster.server(to).life?.raft.configurations.current
    if (current === undefined) return
    // An operator does not hand the cluster to voters whose disks are lost: nobody could take it back.
    const isNew = (id: NodeId): boolean => !current.voters.includes(id)
    if (!hasQuorum({ voters, oldVoters: [], learners }, id => isNew(id) || isIntact(this.cluster, current, id))) return
    this.cluster.drive(to, { kind: 'changeMembership', voters, learners })
  }

  #observe(id: NodeId): void {
    const { diskId } = this.cluster.server(id)
    const isWanted = this.#random.nextInt(4) > 0
    this.cluster.drive(this.#leaderOrAny(), isWanted ? { kind: 'observe', id, diskId } : { kind: 'unobserve', id })
  }

  #isCut({ from, to }: Packet): boolean {
    return this.#cut.has(`${from}/${to}`)
  }

  /** At random, but never so that too few are left who remember: that is what backups are for. */
  #wipe(id: NodeId): void {
    const { cluster } = this
    const isSurvivable = (configuration: Configuration): boolean => {
      return hasQuorum(configuration, other => other !== id && isIntact(cluster, configuration, other))
    }
    if (configurationsOf(cluster).every(isSurvivable)) cluster.wipe(id)
  }
}

/** Every configuration that is in a log or a snapshot of any server. */
function configurationsOf(cluster: Cluster): readonly Configuration[] {
  return [...cluster.servers.values()].flatMap(({ image, life }) => [
    ...(life?.raft.configurations.possible(toLogIndex(0)).filter(({ voters }) => voters.length > 0) ?? []),
    ...(image.snapshot === null ? [] : [image.snapshot.meta.configuration]),
    ...image.entries.filter(entry => entry.kind === 'configuration').map(decodeConfiguration),
  ])
}
