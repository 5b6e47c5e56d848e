/** Members that only listen and introduce themselves, on production connections over memory sockets and virtual time. */
import { ApiError } from '../../src/protocol/errors.ts'
import { openPeerNetwork, peerListenerLimits } from '../../src/quorum/network/peer-network.ts'
import type { PeerNetwork, PeerNetworkOptions } from '../../src/quorum/network/types.ts'
import type { ChunkAnswer, Introduction, PeerReceiver, SnapshotChunk } from '../../src/quorum/peer-port.ts'
import type { Message } from '../../src/raft/messages.ts'
import { type MemorySocket, memoryNetwork } from '../../src/simulation/memory-sockets.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Handler } from '../../src/transport/handler.ts'
import { type Listener, openListener } from '../../src/transport/listener.ts'
import type { Socket } from '../../src/transport/socket.ts'
import type { Logger } from '../../src/util/logger.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { turn } from '../broker/harness.ts'

export const urlOf = (id: number): string => `ws://node-${id}`

/** What a network tells its member, written down. */
export class Member implements PeerReceiver {
  readonly id: NodeId
  readonly network: PeerNetwork
  readonly listener: Listener
  readonly introductions: Introduction[] = []
  readonly messages: { readonly message: Message; readonly fromDisk: string }[] = []
  readonly chunks: SnapshotChunk[] = []
  readonly gone: NodeId[] = []
  readonly logged: { readonly level: string; readonly message: string; readonly reason: unknown }[] = []
  self: Introduction
  /** Whom it refuses, and what it says then. */
  refuse: (peer: Introduction) => string | null = () => null

  constructor(rig: Rig, id: number, options: Partial<PeerNetworkOptions>, handlers: readonly Handler[]) {
    this.id = toNodeId(id)
    this.self = { nodeId: this.id, diskId: `disk-${id}`, clusterId: null, url: urlOf(id) }
    const { clock } = rig
    const at = (level: string) => (fields: Record<string, unknown>, message: string) =>
      void this.logged.push({ level, message, reason: fields.reason })
    const logger: Logger = { debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') }
    this.network = openPeerNetwork({
      nodeId: this.id,
      socketFactory: rig.network.socketFactory,
      clock,
      random: seededRandom(id),
      logger,
      ...options,
    })
    this.listener = openListener({
      name: 'CONTROLLER',
      handlers: [...this.network.handlers, ...handlers],
      identity: () => ({ clusterId: '', nodeId: id, software: 'test' }),
      clock,
      limits: peerListenerLimits(options.timing),
    })
    this.network.open(this)
  }

  introduction(): Introduction {
    return this.self
  }

  onIntroduction(peer: Introduction): void {
    const reason = this.refuse(peer)
    if (reason !== null) throw new ApiError('INCONSISTENT_CLUSTER_ID', reason)
    this.introductions.push(peer)
  }

  onMessage(message: Message, fromDisk: string): void {
    this.messages.push({ message, fromDisk })
  }

  onChunk(chunk: SnapshotChunk): ChunkAnswer {
    this.chunks.push(chunk)
    return { nextOffset: chunk.offset + chunk.data.length }
  }

  onGone(nodeId: NodeId): void {
    this.gone.push(nodeId)
  }

  reach(...ids: number[]): void {
    this.network.reach(new Map(ids.map(id => [toNodeId(id), urlOf(id)])))
  }

  isReaching(id: number): boolean {
    return !this.network.unreached().some(peer => peer.id === id)
  }

  warnings(): unknown[] {
    return this.logged.filter(({ level }) => level === 'warn').map(({ reason }) => reason)
  }
}

export class Rig {
  readonly clock = new VirtualClock()
  readonly network = memoryNetwork(this.clock, { latencyMs: 1 })
  readonly members = new Map<number, Member>()
  /** What each member's listener accepted, the newest last. */
  readonly accepted = new Map<number, MemorySocket[]>()
  /** Connections a member's listener was offered. */
  readonly attempts = new Map<number, number>()
  readonly #deaf = new Map<number, () => void>()

  /** Opens a member that listens at `at`, by default its own address. */
  member(
    id: number,
    options: Partial<PeerNetworkOptions> = {},
    { at = id, handlers = [] }: { at?: number; handlers?: readonly Handler[] } = {},
  ): Member {
    const member = new Member(this, id, options, handlers)
    this.members.set(id, member)
    this.listen(at, member)
    return member
  }

  listen(at: number, member: Member): void {
    const accepted: MemorySocket[] = []
    this.accepted.set(at, accepted)
    const stop = this.network.listen(urlOf(at), (socket: Socket) => {
      this.attempts.set(at, (this.attempts.get(at) ?? 0) + 1)
      accepted.push(socket as MemorySocket)
      member.listener.accept(socket)
    })
    this.#deaf.set(at, stop)
  }

  /** Nothing can connect to it any more. */
  stopListening(id: number): void {
    this.#deaf.get(id)!()
  }

  /** The connections its listener accepted end, noticed by both sides. */
  cut(id: number): void {
    for (const socket of this.accepted.get(id)!.splice(0)) socket.terminate()
  }

  /** What its listener accepted goes on looking like connections, and nothing comes back on them (half-open TCP). */
  silence(id: number): void {
    for (const socket of this.accepted.get(id)!) socket.send = () => {}
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.clock.advance(1)
      await turn()
    }
  }

  /** Virtual time is bounded. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 20_000 && !isTrue(); i++) await this.pass(1)
    if (!isTrue()) throw new Error(`did not happen in 20 virtual seconds: ${what}`)
  }

  async close(): Promise<void> {
    const closing = Promise.all(
      [...this.members.values()].map(async ({ network, listener }) => {
        await network[Symbol.asyncDispose]()
        await listener.close(10)
      }),
    )
    await this.pass(100)
    await closing
  }
}
