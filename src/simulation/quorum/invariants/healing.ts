/**
 * Once the faults end the cluster heals within a bound: a leader within ten election timeouts, then everybody in the
 * same state and reads answered (TigerBeetle's VOPR, liveness mode). It must do so with everybody, and just as well with
 * no more than a majority.
 */
import { hasQuorum } from '../../../raft/quorum-math.ts'
import type { NodeId } from '../../../util/numbers.ts'
import type { Random } from '../../../util/random.ts'
import type { Cluster } from '../cluster.ts'
import type { Life } from '../life.ts'
import type { Operator } from '../operator.ts'
import { encodeCommand } from '../register-machine.ts'
import { Violation } from './invariant.ts'

const leaderWithinElectionTimeouts = 10
/** After that: snapshots travel, repairs end, what was proposed is applied everywhere. */
const convergenceMaxMs = 30_000
const checkIntervalMs = 100
const probeIntervalMs = 2_000
/** Long: in a world of small appends, one at a time, a queue of what clients had proposed comes first. */
const probeTimeoutMs = 10_000

export class Healing {
  readonly #cluster: Cluster
  readonly #operator: Operator
  readonly #random: Random
  readonly #onAnswered: () => void
  #beganMs = 0
  #hasLeader = false
  #probes = 0
  /** Where a read through the leader, after a write, was answered: everybody must come that far. */
  #answeredIndex: number | null = null
  isDone = false

  /** `onAnswered`: the cluster works; it is to be left alone now, so that it comes to rest. */
  constructor(cluster: Cluster, operator: Operator, random: Random, onAnswered: () => void) {
    this.#cluster = cluster
    this.#operator = operator
    this.#onAnswered = onAnswered
    this.#random = random
  }

  begin(): void {
    const { timeline, trace } = this.#cluster
    this.#beganMs = timeline.nowMs
    trace.note(timeline.nowMs, 'healing', 0, 0, 0)
    this.#cluster.calm()
    const chosen =
      this.#random.nextInt(2) === 0 && this.#operator.isAtRest ? this.#someMajority() : new Set(this.#cluster.ids)
    for (const [id, member] of this.#cluster.members) {
      // Nobody may stumble over a fault that was planned and has not happened yet.
      if (member.isDiskSuspect || !chosen.has(id)) this.#cluster.crash(id)
      if (chosen.has(id)) {
        this.#cluster.resume(id)
        this.#cluster.start(id)
      } else {
        member.isRetired = true
      }
    }
    this.#watch()
  }

  #watch(): void {
    this.#cluster.timeline.after(checkIntervalMs, () => {
      if (this.#hasConverged()) this.isDone = true
      else this.#watch()
    })
  }

  #hasConverged(): boolean {
    const { timeline, world } = this.#cluster
    const elapsedMs = timeline.nowMs - this.#beganMs
    const leader = this.#cluster.leader()
    if (leader !== null) this.#hasLeader = true
    const leaderMaxMs = leaderWithinElectionTimeouts * world.timing.electionTimeoutMs
    if (!this.#hasLeader && elapsedMs > leaderMaxMs)
      throw new Violation(`healing: no leader within ten election timeouts, ${this.#account()}`)
    if (elapsedMs > leaderMaxMs + convergenceMaxMs) throw new Violation(`healing: ${this.#account()}`)
    if (leader === null) return false
    if (this.#answeredIndex === null) {
      if (elapsedMs >= this.#probes * probeIntervalMs) this.#probe(leader)
      return false
    }
    return this.#areEqual(leader)
  }

  /** A write and a read, through the leader. */
  #probe(leader: Life): void {
    const request = ++this.#probes
    const write = async (): Promise<void> => {
      const command = { client: 'healing', request, key: 'healed', to: String(request) }
      await leader.quorum!.propose([encodeCommand(command)], probeTimeoutMs)
      await leader.quorum!.readBarrier(probeTimeoutMs)
      if (this.#answeredIndex !== null || leader.machine.read('healed') === null) return
      this.#answeredIndex = leader.quorum!.status().appliedIndex
      this.#onAnswered()
    }
    leader.process.receive(() => {
      write().catch(() => undefined)
    })
  }

  /** Everybody who belongs to the cluster has applied what the leader has, and is in the same state. */
  #areEqual(leader: Life): boolean {
    const { current } = leader.raft.configurations
    if (current.oldVoters.length > 0) return false
    const { appliedIndex, lastIndex } = leader.raft.log
    if (appliedIndex < lastIndex || appliedIndex < this.#answeredIndex!) return false
    for (const { id, life, disk, isForeign } of this.#cluster.members.values()) {
      if (isForeign || life === null || !life.isLoaded) continue
      const known = current.members?.find(member => member.id === id)
      // Who came back with another disk waits for the operator.
      if (known !== undefined && known.diskId !== disk.diskId) continue
      // An observer that was away while somebody joined who leads now finds the leader only by its settings.
      if (known === undefined && !this.#canFind(life, leader)) continue
      if (life.raft.log.appliedIndex !== appliedIndex || life.machine.hash !== leader.machine.hash) return false
    }
    return true
  }

  #canFind({ id, raft }: Life, leader: Life): boolean {
    const isNamed = raft.configurations.current.members?.some(member => member.id === leader.id) ?? false
    return isNamed || this.#cluster.addressesFor(this.#cluster.member(id)).has(leader.id)
  }

  /** Enough to decide under every configuration that may be the cluster's, and not more than chance adds. */
  #someMajority(): Set<NodeId> {
    // Until its founding is committed a cluster needs its founder.
    if (this.#cluster.checks.committed.highestIndex === 0) return new Set(this.#cluster.ids)
    const configurations = this.#cluster.checks.configurations.possible()
    const ids = [...this.#cluster.ids].sort(() => this.#random.nextFloat() - 0.5)
    const chosen = new Set<NodeId>()
    const isGood = (id: NodeId): boolean => chosen.has(id) && !this.#cluster.member(id).isImpaired
    for (const id of ids) {
      if (configurations.every(configuration => hasQuorum(configuration, isGood))) break
      chosen.add(id)
    }
    return chosen
  }

  #account(): string {
    const lines = [...this.#cluster.members.values()].map(({ id, life, isBroken, impairment }) => {
      if (life === null) return `${id}: down${isBroken ? ', broken' : ''}`
      if (!life.isLoaded) return `${id}: not loaded`
      const { role, term, log, configurations } = life.raft
      const { voters, oldVoters, learners } = configurations.current
      const indexes = `commit ${log.commitIndex} applied ${log.appliedIndex} last ${log.lastIndex}`
      return `${id}: ${role.kind} of ${term}, ${indexes}, [${voters}|${oldVoters}|${learners}] disk ${impairment}`
    })
    return `not converged after ${this.#cluster.timeline.nowMs - this.#beganMs} ms\n${lines.join('\n')}`
  }
}
