/**
 * A cluster of cores in plain memory, moved one event at a time: a tick, a message, a finished write, a crash. What a
 * server has on "disk" is an image that only finished writes change; a crash forgets everything else.
 */

import type { Effect, Input } from '../../src/raft/input-effect.ts'
import type { InstallSnapshot, Message } from '../../src/raft/messages.ts'
import { defaultRaftOptions, type RaftOptions, type Rules, soundRules } from '../../src/raft/options.ts'
import { Outbox, type Write } from '../../src/raft/outbox.ts'
import { describeSnapshot } from '../../src/raft/snapshot.ts'
import { createRaft, type Raft } from '../../src/raft/state.ts'
import { step } from '../../src/raft/step.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import { type NodeId, toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { applyWrite, type DiskImage } from './disk-image.ts'
import { bootstrapEntry } from './entries.ts'

/** One life of a server, from start to crash. */
export interface Life {
  readonly raft: Raft
  readonly outbox: Outbox
  writing: Write | null
  /** The state machine: texts applied, in order. */
  applied: string[]
}

export interface Server {
  readonly id: NodeId
  /** Of the disk it has now, and what is on it. */
  diskId: string
  image: DiskImage
  /** What was on the disks it lost. */
  readonly lostImages: Map<string, DiskImage>
  life: Life | null
}

export interface Packet {
  readonly from: NodeId
  readonly to: NodeId
  readonly message: Message
  /** The disk its sender had. */
  readonly fromDisk: string
}

/** Sees everything; throws when something must not be. */
export interface Observer {
  started?(server: Server): void
  stepped?(server: Server, input: Input, effects: readonly Effect[]): void
  /** A message is leaving `server`: its disk must already hold what the message promises. */
  leaving?(server: Server, packet: Packet): void
  written?(server: Server, write: Write): void
  crashed?(server: Server): void
  note?(text: string): void
}

export interface ClusterOptions {
  readonly voters: readonly number[]
  readonly learners?: readonly number[]
  /** Servers that exist but are in no configuration yet. */
  readonly spares?: readonly number[]
  readonly seed?: number
  readonly options?: Partial<RaftOptions>
  readonly rules?: Partial<Rules>
}

export class Cluster {
  readonly servers = new Map<NodeId, Server>()
  network: Packet[] = []
  readonly observers: Observer[] = []
  readonly configuration: Configuration
  readonly #options: RaftOptions
  readonly #rules: Rules
  readonly #seed: number
  #lives = 0

  constructor({ voters, learners = [], spares = [], seed = 1, options = {}, rules = {} }: ClusterOptions) {
    this.#options = { ...defaultRaftOptions, ...options }
    this.#rules = { ...soundRules, ...rules }
    this.#seed = seed
    this.configuration = {
      voters: voters.map(toNodeId),
      oldVoters: [],
      learners: learners.map(toNodeId),
      clusterId: 'test',
      members: [...voters, ...learners].map(id => ({ id: toNodeId(id), diskId: `disk-${id}`, url: '' })),
    }
    for (const id of [...voters, ...learners]) this.#add(toNodeId(id), [bootstrapEntry(this.configuration)])
    for (const id of spares) this.#add(toNodeId(id), [])
  }

  #add(id: NodeId, entries: Entry[]): void {
    const term = toTerm(entries.length)
    const image = { hardState: { term, votedFor: null }, snapshot: null, entries }
    this.servers.set(id, { id, diskId: `disk-${id}`, image, lostImages: new Map(), life: null })
  }

  server(id: number): Server {
    const server = this.servers.get(toNodeId(id))
    if (server === undefined) throw new Error(`no server ${id}`)
    return server
  }

  raft(id: number): Raft {
    const { life } = this.server(id)
    if (life === null) throw new Error(`server ${id} is down`)
    return life.raft
  }

  start(id: number): void {
    const server = this.server(id)
    const { hardState, snapshot, entries } = server.image
    const after = entries.filter(entry => entry.index > (snapshot?.meta.index ?? 0))
    const random = seededRandom(this.#seed * 1_000_003 + this.#lives++)
    const loaded = { hardState, snapshot, entries: after }
    const raft = createRaft(server.id, loaded, this.#options, random, this.#rules, server.diskId)
    const applied = snapshot === null ? [] : decodeState(snapshot.data)
    server.life = { raft, outbox: new Outbox(), writing: null, applied }
    for (const observer of this.observers) observer.started?.(server)
  }

  startAll(): void {
    for (const id of this.servers.keys()) this.start(id)
  }

  crash(id: number): void {
    const server = this.server(id)
    for (const observer of this.observers) observer.crashed?.(server)
    server.life = null
  }

  /** Stops a server for good: whoever starts under its number has a blank disk. */
  wipe(id: number): void {
    const server = this.server(id)
    if (server.life !== null) this.crash(id)
    server.lostImages.set(server.diskId, server.image)
    server.diskId = `disk-${id}-${server.lostImages.size + 1}`
    server.image = { hardState: { term: toTerm(0), votedFor: null }, snapshot: null, entries: [] }
  }

  /** What was last on a disk, whether its server still has it or not. */
  imageOf(id: NodeId, diskId: string | undefined): DiskImage {
    const server = this.server(id)
    return diskId === undefined || diskId === server.diskId ? server.image : server.lostImages.get(diskId)!
  }

  drive(id: number, input: Input): readonly Effect[] {
    const server = this.server(id)
    const { life } = server
    if (life === null) return []
    const effects = step(life.raft, input.kind === 'changeMembership' ? this.#named(life.raft, input) : input)
    const leaving: Packet[] = []
    for (const effect of effects) this.#perform(server, life, effect, leaving)
    for (const observer of this.observers) observer.stepped?.(server, input, effects)
    for (const packet of leaving) this.#send(server, packet)
    life.writing ??= life.outbox.next()
    return effects
  }

  /** As the driver does, from what servers say of themselves. A voter stays who it was. */
  #named(raft: Raft, input: Extract<Input, { kind: 'changeMembership' }>): Input {
    const { voters } = raft.configurations.current
    const newcomers = [...input.voters, ...input.learners].filter(id => !voters.includes(id))
    return { members: newcomers.map(id => ({ id, diskId: this.server(id).diskId, url: '' })), ...input }
  }

  #perform(server: Server, life: Life, effect: Effect, leaving: Packet[]): void {
    if (effect.kind === 'persist' || effect.kind === 'persistSnapshot' || effect.kind === 'send') {
      const send = life.outbox.add(effect)
      if (send !== null) leaving.push(packetOf(server, send.to, send.message))
    } else if (effect.kind === 'apply') {
      for (const entry of effect.entries) if (entry.kind === 'data') life.applied.push(textOf(entry))
    } else if (effect.kind === 'restore') {
      life.applied = decodeState(effect.snapshot.data)
    } else if (effect.kind === 'sendSnapshot') {
      const { snapshot } = server.image
      if (snapshot === null) throw new Error('a leader sends the snapshot it has')
      const { term, round } = effect
      const message: InstallSnapshot = { kind: 'installSnapshot', from: server.id, term, round, snapshot }
      leaving.push(packetOf(server, effect.to, message))
    }
  }

  /** Finishes the write under way, if there is one. */
  finishWrite(id: number): boolean {
    const server = this.server(id)
    const { life } = server
    if (life === null || life.writing === null) return false
    applyWrite(server.image, life.writing)
    for (const observer of this.observers) observer.written?.(server, life.writing!)
    life.writing = null
    const { write, messages } = life.outbox.done()
    for (const { to, message } of messages) this.#send(server, packetOf(server, to, message))
    this.drive(id, { kind: 'persisted', write })
    return true
  }

  /** Takes a snapshot of what is applied; it is on disk when this returns. */
  takeSnapshot(id: number, retained: number): boolean {
    const server = this.server(id)
    const { life } = server
    const { appliedIndex, baseIndex } = life?.raft.log ?? {}
    if (life === null || life.raft.installing !== null || life.writing?.kind === 'snapshot') return false
    if (appliedIndex! <= (life.raft.snapshot?.index ?? 0) || appliedIndex! < baseIndex!) return false
    const meta = describeSnapshot(life.raft)
    const discardUpTo = toLogIndex(Math.max(0, meta.index - retained))
    server.image.snapshot = { meta, data: encodeState(life.applied) }
    server.image.entries = server.image.entries.filter(entry => entry.index > discardUpTo)
    this.drive(id, { kind: 'snapshotSaved', meta, discardUpTo })
    return true
  }

  #send(server: Server, packet: Packet): void {
    for (const observer of this.observers) observer.leaving?.(server, packet)
    this.network.push(packet)
  }

  /** Takes a packet off the network and hands it over; `isKept` leaves a copy to arrive again. */
  deliver(packet: Packet, isKept = false): void {
    if (!isKept) this.#remove(packet)
    this.drive(packet.to, { kind: 'message', message: packet.message, fromDisk: packet.fromDisk })
    if (packet.message.kind === 'installSnapshot' && !isKept)
      this.#snapshotSent(packet, this.server(packet.to).life !== null)
  }

  drop(packet: Packet): void {
    this.#remove(packet)
    if (packet.message.kind === 'installSnapshot') this.#snapshotSent(packet, false)
  }

  #snapshotSent(packet: Packet, isDelivered: boolean): void {
    this.drive(packet.from, { kind: 'snapshotSent', to: packet.to, isDelivered })
  }

  #remove(packet: Packet): void {
    const index = this.network.indexOf(packet)
    if (index !== -1) this.network.splice(index, 1)
  }

  /** Writes and messages among the given servers, in order, until all is quiet; what others send or should get is lost. */
  settle(
    among: ReadonlySet<number> = new Set(this.servers.keys()),
    isCarried = ({ from, to }: Packet): boolean => among.has(from) && among.has(to),
  ): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      let hasMoved = false
      for (const id of among) while (this.finishWrite(id)) hasMoved = true
      const packet = this.network[0]
      if (packet !== undefined) {
        hasMoved = true
        if (isCarried(packet)) this.deliver(packet)
        else this.drop(packet)
      }
      if (!hasMoved) return
    }
    throw new Error('the cluster does not come to rest')
  }

  leader(): Server | null {
    let found: Server | null = null
    for (const server of this.servers.values()) {
      const raft = server.life?.raft
      if (raft?.role.kind === 'leader' && raft.term >= (found?.life?.raft.term ?? 0)) found = server
    }
    return found
  }
}

function packetOf({ id, diskId }: Server, to: NodeId, message: Message): Packet {
  return { from: id, to, message, fromDisk: diskId }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)
export const textOf = (entry: Entry): string => decoder.decode(entry.data)
const encodeState = (applied: readonly string[]): Uint8Array => encoder.encode(JSON.stringify(applied))
const decodeState = (data: Uint8Array): string[] => JSON.parse(decoder.decode(data))
