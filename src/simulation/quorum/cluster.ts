/** A simulated cluster: members, their network and disks, and everything that watches them. */

import { CorruptionError, StorageError } from '../../util/errors.ts'
import type { Logger } from '../../util/logger.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import { type Random, seededRandom } from '../../util/random.ts'
import { SimRaftDisk } from '../sim-raft-storage.ts'
import { Checks } from './checks.ts'
import { type DurableImage, Violation } from './invariants/invariant.ts'
import { type BrokenRules, Life } from './life.ts'
import { Links } from './links.ts'
import { Member } from './member.ts'
import { SimProcess } from './process.ts'
import type { World } from './profiles.ts'
import type { MachineWatcher } from './register-machine.ts'
import { SimNetwork, urlOf } from './sim-network.ts'
import { Sometimes } from './sometimes.ts'
import { Timeline } from './timeline.ts'
import type { Trace } from './trace.ts'

/** Until a process that ended by itself is started again. */
const restartMs = 500

const calmWriteDelayMs = 20

export interface ClusterOptions {
  readonly world: World
  readonly random: Random
  readonly trace: Trace
  readonly broken: BrokenRules
}

export class Cluster {
  readonly timeline = new Timeline()
  readonly links: Links
  readonly network: SimNetwork
  readonly sometimes = new Sometimes()
  readonly checks: Checks
  readonly members = new Map<NodeId, Member>()
  readonly world: World
  readonly trace: Trace
  readonly #random: Random
  readonly #broken: BrokenRules
  readonly #founders: ReadonlyMap<NodeId, string>
  #writeDelayMeanMs: number

  constructor({ world, random, trace, broken }: ClusterOptions) {
    this.world = world
    this.#writeDelayMeanMs = world.writeDelayMeanMs
    this.trace = trace
    this.#random = random
    this.#broken = broken
    this.links = new Links(this.timeline, forkRandom(random), world.links)
    this.network = new SimNetwork(this.timeline, this.links, forkRandom(random), this.#networkWatcher())
    this.network.chunkDamageRate = world.chunkDamageRate
    const ids = Array.from({ length: world.voterCount + world.spareCount }, (_, i) => toNodeId(i + 1))
    this.#founders = new Map(ids.slice(0, world.voterCount).map(id => [id, urlOf(id)]))
    const holds = (id: NodeId, index: number, term: number): boolean => this.#holds(id, index, term)
    this.checks = new Checks([...this.#founders.keys()], holds, [this.sometimes])
    for (const id of ids) this.members.set(id, new Member(id, this.#newDisk(id)))
    if (world.isLastSpareForeign) this.member(ids.at(-1)!).isForeign = true
  }

  get ids(): readonly NodeId[] {
    return [...this.members.keys()]
  }

  member(id: NodeId): Member {
    return this.members.get(id)!
  }

  /** Wires that lose nothing, and disks that answer well within an election timeout. */
  calm(): void {
    this.links.calm({ ...this.world.links, lossRate: 0, duplicateRate: 0, capacity: Number.POSITIVE_INFINITY })
    this.#writeDelayMeanMs = Math.min(this.#writeDelayMeanMs, calmWriteDelayMs)
  }

  /** The member that leads in the highest term and has said so, if there is one and it knows of every commit. */
  leader(): Life | null {
    let found: Life | null = null
    for (const { life, isForeign } of this.members.values()) {
      if (isForeign || life === null || life.leadingTerm === null || life.process.isStopped) continue
      if (found === null || life.raft.term > found.raft.term) found = life
    }
    return found
  }

  start(id: NodeId): void {
    const member = this.member(id)
    if (member.isUp || member.isBroken || member.isRetired) return
    const { timeline, world } = this
    const rate = 1 + (2 * this.#random.nextFloat() - 1) * world.driftMax
    const process = new SimProcess(timeline, rate, this.#random.nextInt(1_000_000), world.turnMs)
    const life: Life = new Life({
      id,
      world,
      founders: this.addressesFor(member),
      process,
      port: this.network.attach(id, process),
      disk: member.disk,
      random: forkRandom(this.#random),
      logger: this.#logger(id),
      broken: this.#broken,
      machineWatcher: member.isForeign ? unwatched : this.#machineWatcher(),
      onStep: (stepped, input, effects) => {
        if (input.kind !== 'tick') this.trace.note(timeline.nowMs, input.kind, id, 0, effects.length, input)
        if (!member.isForeign) this.checks.stepped(stepped, input, effects)
      },
      onStart: started => this.#onStart(member, started),
      onFatal: error => this.#onFatal(member, life, error),
    })
    this.trace.note(timeline.nowMs, 'start', id, 0, 0)
    member.life = life
    life.open()
  }

  /** The process ends between two events, whatever it was doing. */
  crash(id: NodeId): void {
    const member = this.member(id)
    if (member.life === null) return
    this.trace.note(this.timeline.nowMs, 'crash', id, 0, 0)
    member.life.process.kill()
    member.life = null
    this.network.detach(id)
    member.disk.crash()
    member.isDiskSuspect = false
  }

  stop(id: NodeId): void {
    const { life } = this.member(id)
    if (life === null || life.process.isStopped) return
    this.trace.note(this.timeline.nowMs, 'stop', id, 0, 0)
    if (life.isLoaded) this.sometimes.paused(id, life.raft)
    life.process.stop()
  }

  resume(id: NodeId): void {
    const { life } = this.member(id)
    if (life === null || !life.process.isStopped) return
    this.trace.note(this.timeline.nowMs, 'resume', id, 0, 0)
    life.process.resume()
  }

  /** Another, blank disk under the same number. */
  replaceDisk(id: NodeId): void {
    this.crash(id)
    const member = this.member(id)
    this.trace.note(this.timeline.nowMs, 'new disk', id, 0, 0)
    member.disk = this.#newDisk(id)
    member.impairment = 'replaced'
    member.isBroken = false
  }

  /** Who starts on a blank disk in place of a lost one is told of the whole cluster, so that it cannot found another. */
  addressesFor({ id, isForeign, impairment }: Member): ReadonlyMap<NodeId, string> {
    if (isForeign) return new Map([[id, urlOf(id)]])
    if (impairment !== 'replaced') return this.#founders
    return new Map(this.ids.filter(other => !this.member(other).isForeign).map(other => [other, urlOf(other)]))
  }

  #newDisk(id: NodeId): SimRaftDisk {
    const random = forkRandom(this.#random)
    const { chunkBytesMax } = this.world
    return new SimRaftDisk({
      nodeId: id,
      random,
      after: (delayMs, run) => this.timeline.after(delayMs, run),
      writeDelayMs: () => -Math.log(1 - random.nextFloat()) * this.#writeDelayMeanMs,
      pieces: { chunkBytes: chunkBytesMax, removals: 16 },
    })
  }

  #onStart(member: Member, life: Life): void {
    if (!member.isForeign) this.checks.started(life)
    // Every value was read and was sound: the damage was in what nobody needs any more.
    if (member.impairment === 'damaged') member.impairment = 'none'
  }

  /** A process that fails for a reason that it was given is a fault like others; one that fails by itself is a bug. */
  #onFatal(member: Member, life: Life, error: Error): void {
    if (member.life !== life || !life.process.isAlive) return
    this.trace.note(this.timeline.nowMs, 'fatal', member.id, 0, 0, error)
    const isDamage = error instanceof CorruptionError && member.impairment === 'damaged'
    const isFailure = error instanceof StorageError && (member.disk.hasFailed || member.disk.counts.stall > 0)
    if (!isDamage && !isFailure) {
      this.checks.keep(new Violation(`member ${member.id} failed: ${error.name}: ${error.message}`, { cause: error }))
      return
    }
    this.sometimes.note(isDamage ? 'diskDamageFound' : 'diskFailed')
    member.isBroken = isDamage
    // The process ends a moment later, until when it must keep still by itself; whoever watches over it starts it again.
    this.timeline.after(1, () => {
      if (member.life !== life) return
      this.crash(member.id)
      this.timeline.after(restartMs, () => this.start(member.id))
    })
  }

  /** An impaired disk had what it acknowledged before the accident. */
  #holds(id: NodeId, index: number, term: number): boolean {
    const member = this.member(id)
    if (member.isImpaired) return true
    const durable: DurableImage = member.disk.durable()
    return (durable.snapshot?.index ?? 0) >= index || durable.termAt(index) === term
  }

  #networkWatcher(): SimNetwork['watcher'] {
    const { timeline, trace } = this
    return {
      sent: (from, to, message, sizeBytes) => {
        trace.note(timeline.nowMs, message.kind, from, to, sizeBytes, message)
        const { life } = this.member(from)
        if (life !== null && !this.member(from).isForeign) this.checks.sending(life, to, message)
      },
      chunkSent: (from, to, chunk) => trace.note(timeline.nowMs, 'chunk', from, to, chunk.offset, chunk),
      chunkAnswered: (from, chunk, answer) => {
        trace.note(timeline.nowMs, 'chunk answer', from, chunk.from, answer.nextOffset, answer)
        this.sometimes.chunkAnswered(chunk, answer)
      },
      refused: (by, peer, error) => trace.note(timeline.nowMs, 'refused', by, peer.nodeId, 0, error),
    }
  }

  #machineWatcher(): MachineWatcher {
    return {
      applied: (member, index, hash) => this.checks.applied(member, index, hash),
      restored: (member, index, hash) => this.checks.restored(member, index, hash),
      executed: (member, index, command) => this.checks.executed(member, index, command),
      answeredAgain: () => this.sometimes.note('duplicateAnsweredFromSession'),
    }
  }

  #logger(id: NodeId): Logger {
    const say = (fields: Record<string, unknown>, message: string): void =>
      this.trace.note(this.timeline.nowMs, 'says', id, 0, message.length, `${message} ${JSON.stringify(fields)}`)
    return { debug() {}, info: say, warn: say, error: say }
  }
}

/** What a member of another cluster does is no business of this one's invariants. */
const unwatched: MachineWatcher = { applied() {}, executed() {}, answeredAgain() {}, restored() {} }

/** A generator of its own, so that one part drawing more or less changes nothing for the others. */
export function forkRandom(random: Random): Random {
  return seededRandom(random.nextInt(2 ** 31))
}
