/**
 * One run of a random cluster: a function of seed and profile. First anything may go wrong, with the invariants checked
 * after every step; then everything heals and the cluster must come together again.
 */
import assert from 'node:assert/strict'
import { membersOf } from '../../src/raft/configuration.ts'
import type { Rules } from '../../src/raft/options.ts'
import type { NodeId } from '../../src/util/numbers.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { bytesOf, Cluster, type Packet } from './cluster.ts'
import { Invariants } from './invariants.ts'

export interface Profile {
  readonly name: string
  readonly servers: readonly [min: number, max: number]
  readonly steps: number
  /** Of a message that is due: lost, or delivered and left to come again. */
  readonly dropMax: number
  readonly duplicateMax: number
  /** How likely each thing is, relative to the others. */
  readonly weights: Readonly<Record<Action, number>>
}

type Action =
  | 'tick'
  | 'deliver'
  | 'write'
  | 'propose'
  | 'read'
  | 'crash'
  | 'restart'
  | 'cut'
  | 'snapshot'
  | 'transfer'
  | 'membership'

const calm: Record<Action, number> = {
  tick: 30,
  deliver: 120,
  write: 60,
  propose: 12,
  read: 3,
  crash: 0.6,
  restart: 2,
  cut: 0.6,
  snapshot: 0,
  transfer: 0.2,
  membership: 0,
}

export const profiles: Record<'swarm' | 'churn' | 'membership' | 'farBehind', Profile> = {
  swarm: { name: 'swarm', servers: [1, 7], steps: 900, dropMax: 0.3, duplicateMax: 0.3, weights: calm },
  /** Leaders come and go before their entries get anywhere: what Figure 8 needs. */
  churn: {
    name: 'churn',
    servers: [5, 5],
    steps: 2000,
    dropMax: 0.55,
    duplicateMax: 0.1,
    weights: { ...calm, tick: 60, propose: 8, crash: 2, restart: 6, cut: 1.5, transfer: 2 },
  },
  membership: {
    name: 'membership',
    servers: [4, 6],
    steps: 1200,
    dropMax: 0.2,
    duplicateMax: 0.2,
    weights: { ...calm, membership: 4, snapshot: 1, crash: 1, restart: 4 },
  },
  farBehind: {
    name: 'farBehind',
    servers: [3, 5],
    steps: 1200,
    dropMax: 0.3,
    duplicateMax: 0.2,
    weights: { ...calm, snapshot: 6, propose: 30, crash: 1.2, restart: 2, cut: 1.5 },
  },
}

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
  /** `from/to` of links that carry nothing. */
  readonly #cut = new Set<string>()
  #counter = 0

  constructor(seed: number, profile: Profile, rules: Partial<Rules> = {}) {
    this.#random = seededRandom(seed)
    this.#profile = profile
    const [min, max] = profile.servers
    const count = min + this.#random.nextInt(max - min + 1)
    this.#ids = Array.from({ length: count }, (_, i) => i + 1)
    const hasSpares = profile.weights.membership > 0
    const voterCount = hasSpares ? 1 + this.#random.nextInt(Math.min(3, count)) : count
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
    this.#actions = Object.keys(profile.weights) as Action[]
    this.#weightTotal = Object.values(profile.weights).reduce((sum, weight) => sum + weight, 0)
  }

  run(): void {
    this.cluster.startAll()
    for (let i = 0; i < this.#profile.steps; i++) this.#act(this.#drawAction())
    this.#heal()
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
        cluster.drive(id, { kind: 'tick' })
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
        cluster.drive(this.#leaderOrAny(), { kind: 'readIndex', id: ++this.#counter })
        return
      case 'crash':
        if (cluster.server(id).life !== null) cluster.crash(id)
        return
      case 'restart':
        if (cluster.server(id).life === null) cluster.start(id)
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
    }
  }

  #deliverOne(): void {
    const { network } = this.cluster
    if (network.length === 0) return
    // Mostly in order, sometimes not.
    const reach = this.#random.nextInt(4) === 0 ? network.length : Math.min(3, network.length)
    const packet = network[this.#random.nextInt(reach)]!
    if (this.#isCut(packet) || this.#random.nextFloat() < this.#dropRate || network.length > 300) {
      this.cluster.drop(packet)
    } else this.cluster.deliver(packet, this.#random.nextFloat() < this.#duplicateRate)
  }

  #propose(): void {
    const leader = this.#leaderOrAny()
    const count = 1 + this.#random.nextInt(2)
    const entries = Array.from({ length: count }, () => bytesOf(`v${++this.#counter}`))
    this.cluster.drive(leader, { kind: 'proposal', entries })
    if (this.#random.nextInt(2) === 0) this.cluster.drive(leader, { kind: 'flush' })
  }

  #cutOrJoin(from: number, to: number): void {
    const link = `${from}/${to}`
    if (this.#cut.size > 0 && this.#random.nextInt(2) === 0) this.#cut.clear()
    else if (this.#random.nextInt(2) === 0) this.#cut.add(link)
    else for (const id of this.#ids) this.#cut.add(`${from}/${id}`).add(`${id}/${from}`)
  }

  #changeMembership(): void {
    const shuffled = [...this.#ids].sort(() => this.#random.nextFloat() - 0.5) as NodeId[]
    const voterCount = 1 + this.#random.nextInt(Math.min(5, shuffled.length))
    const learnerCount = this.#random.nextInt(shuffled.length - voterCount + 1)
    const voters = shuffled.slice(0, voterCount)
    const learners = shuffled.slice(voterCount, voterCount + learnerCount)
    this.cluster.drive(this.#leaderOrAny(), { kind: 'changeMembership', voters, learners })
  }

  #isCut({ from, to }: Packet): boolean {
    return this.#cut.has(`${from}/${to}`)
  }

  /** Faults off: within a few election timeouts there is a leader, and everyone has everything. */
  #heal(): void {
    const { cluster } = this
    this.#cut.clear()
    for (const id of this.#ids) if (cluster.server(id).life === null) cluster.start(id)
    cluster.settle()
    const last = `last${++this.#counter}`
    let isProposed = false
    for (let round = 0; round < 200; round++) {
      for (const id of this.#ids) cluster.drive(id, { kind: 'tick' })
      cluster.settle()
      const leader = cluster.leader()
      if (leader === null) continue
      if (!isProposed) {
        const effects = cluster.drive(leader.id, { kind: 'proposal', entries: [bytesOf(last)] })
        isProposed = effects.some(effect => effect.kind === 'accepted')
      } else if (this.#hasConverged(last)) return
      else if (leader.life!.raft.log.uncommittedBytes === 0 && !leader.life!.applied.includes(last)) isProposed = false
    }
    assert.fail('the healed cluster does not come together')
  }

  #hasConverged(last: string): boolean {
    const leader = this.cluster.leader()!
    const { configurations, log } = leader.life!.raft
    if (configurations.current.oldVoters.length > 0 || log.commitIndex < log.lastIndex) return false
    const members = membersOf(configurations.current).map(id => this.cluster.server(id).life!)
    if (!leader.life!.applied.includes(last)) return false
    for (const { applied } of members) if (applied.length !== leader.life!.applied.length) return false
    for (const { applied } of members) assert.deepEqual(applied, leader.life!.applied, 'equal state after healing')
    return true
  }
}
