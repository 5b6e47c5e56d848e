/**
 * Peer connections over simulated wires: introductions in both directions, messages only on what was introduced and
 * accepted, every message encoded and decoded by the production codec, connections that are lost and made again.
 */
import { ApiError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../quorum/network/message-codec.ts'
import type { ChunkAnswer, Introduction, PeerReceiver, PeerTransport, SnapshotChunk } from '../../quorum/peer-port.ts'
import type { Message } from '../../raft/messages.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { Links } from './links.ts'
import type { SimProcess } from './process.ts'
import type { Timeline } from './timeline.ts'
import { decodeChunk, encodeChunk } from './wire.ts'

const dialIntervalMs = 200
/** No answer to a chunk within this is the end of it. */
const chunkTimeoutMs = 600
/** How long a connection that carries nothing in one direction lasts, and how long a dead process seems to live. */
const silenceMaxMs = 1_500

export function urlOf(id: NodeId): string {
  return `sim://${id}`
}

function nodeAt(url: string): NodeId {
  return toNodeId(Number(url.slice('sim://'.length)))
}

interface Connection {
  readonly dialer: SimPort
  readonly acceptor: SimPort
  /** What each introduced itself with; the acceptor's is unknown until its answer arrives. */
  dialerDisk: string
  acceptorDisk: string | null
  isOpen: boolean
}

export interface NetworkWatcher {
  sent(from: NodeId, to: NodeId, message: Message, sizeBytes: number): void
  chunkSent(from: NodeId, to: NodeId, chunk: SnapshotChunk): void
  chunkAnswered(from: NodeId, chunk: SnapshotChunk, answer: ChunkAnswer): void
  refused(by: NodeId, peer: Introduction, error: Error): void
}

export class SimNetwork {
  readonly timeline: Timeline
  readonly links: Links
  readonly random: Random
  readonly watcher: NetworkWatcher
  chunkDamageRate = 0
  readonly #ports = new Map<NodeId, SimPort>()

  constructor(timeline: Timeline, links: Links, random: Random, watcher: NetworkWatcher) {
    this.timeline = timeline
    this.links = links
    this.random = random
    this.watcher = watcher
  }

  /** The network of a new process; what its predecessor had goes down with that one. */
  attach(id: NodeId, process: SimProcess): SimPort {
    const port = new SimPort(this, id, process)
    this.#ports.set(id, port)
    return port
  }

  /** The process is dead: its peers find out after a while. */
  detach(id: NodeId): void {
    const port = this.#ports.get(id)
    this.#ports.delete(id)
    for (const connection of [...(port?.connections ?? [])]) this.loseSoon(connection)
  }

  /** Now and then a piece of a snapshot arrives as something else: whoever receives it must notice. */
  touch(chunk: SnapshotChunk): SnapshotChunk {
    if (chunk.data.length === 0 || this.random.nextFloat() >= this.chunkDamageRate) return chunk
    const data = chunk.data.slice()
    data[this.random.nextInt(data.length)]! ^= 1 << this.random.nextInt(8)
    return { ...chunk, data }
  }

  listening(url: string): SimPort | null {
    return this.#ports.get(nodeAt(url)) ?? null
  }

  loseSoon(connection: Connection): void {
    this.timeline.after(this.random.nextFloat() * silenceMaxMs, () => this.lose(connection))
  }

  lose(connection: Connection): void {
    if (!connection.isOpen) return
    connection.isOpen = false
    connection.dialer.forget(connection)
    connection.acceptor.forget(connection)
  }

  /** Connections that a cut makes useless end when somebody notices, unless it was mended before. */
  notice(): void {
    for (const port of this.#ports.values()) {
      for (const connection of port.connections) {
        if (connection.dialer !== port || !this.#isCut(connection)) continue
        this.timeline.after(silenceMaxMs, () => {
          if (this.#isCut(connection)) this.lose(connection)
        })
      }
    }
  }

  /** Some of the connections break at once. */
  breakConnections(rate: number): void {
    for (const port of this.#ports.values()) {
      for (const connection of [...port.connections]) {
        if (connection.dialer === port && this.random.nextFloat() < rate) this.lose(connection)
      }
    }
  }

  #isCut({ dialer, acceptor }: Connection): boolean {
    return this.links.isCut(dialer.id, acceptor.id) || this.links.isCut(acceptor.id, dialer.id)
  }
}

export class SimPort implements PeerTransport {
  readonly id: NodeId
  readonly process: SimProcess
  readonly connections = new Set<Connection>()
  readonly #network: SimNetwork
  #receiver: PeerReceiver | null = null
  #addresses: ReadonlyMap<NodeId, string> = new Map()

  constructor(network: SimNetwork, id: NodeId, process: SimProcess) {
    this.#network = network
    this.id = id
    this.process = process
  }

  open(receiver: PeerReceiver): void {
    this.#receiver = receiver
    this.#dialAgain()
  }

  reach(addresses: ReadonlyMap<NodeId, string>): void {
    this.#addresses = new Map(addresses)
  }

  introduceAgain(): void {
    for (const connection of this.connections) {
      const peer = peerOf(connection, this)
      const introduction = this.#receiver!.introduction()
      this.#carry(peer, () => peer.#onIntroduction(connection, introduction))
    }
  }

  send(to: NodeId, message: Message): void {
    const connection = this.#connectionTo(to)
    const bytes = encodeMessage(message)
    this.#network.watcher.sent(this.id, to, message, bytes.length)
    if (connection === null) return
    const peer = peerOf(connection, this)
    this.#carry(peer, () => {
      if (peer.connections.has(connection)) peer.#receiver!.onMessage(decodeMessage(bytes), diskOf(connection, this))
    })
  }

  sendChunk(to: NodeId, chunk: SnapshotChunk): Promise<ChunkAnswer> {
    const connection = this.#connectionTo(to)
    this.#network.watcher.chunkSent(this.id, to, chunk)
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => reject(new ApiError('NETWORK_EXCEPTION', reason))
      // Never in the caller's turn, as from a real network.
      if (connection === null) {
        this.process.defer(() => fail('no connection'))
        return
      }
      this.process.setTimer(chunkTimeoutMs, () => fail('no answer'))
      const peer = peerOf(connection, this)
      const bytes = encodeChunk(this.#network.touch(chunk))
      this.#carry(peer, () => {
        if (peer.connections.has(connection)) peer.#answer(connection, decodeChunk(bytes), this, resolve, fail)
      })
    })
  }

  #answer(
    connection: Connection,
    chunk: SnapshotChunk,
    asker: SimPort,
    resolve: (answer: ChunkAnswer) => void,
    fail: (reason: string) => void,
  ): void {
    const { watcher } = this.#network
    const reply = (): Promise<ChunkAnswer> => Promise.resolve(this.#receiver!.onChunk(chunk, diskOf(connection, asker)))
    new Promise<ChunkAnswer>(done => done(reply())).then(
      answer => {
        watcher.chunkAnswered(this.id, chunk, answer)
        this.#carry(asker, () => resolve(answer))
      },
      error => this.#carry(asker, () => fail(String(error))),
    )
  }

  /** The connection is gone at both ends. */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return
    const peer = peerOf(connection, this)
    if (this.#connectionTo(peer.id) === null) this.process.receive(() => this.#receiver!.onGone(peer.id))
  }

  #dialAgain(): void {
    for (const [id, url] of this.#addresses) {
      if (id !== this.id && this.#connectionTo(id) === null) this.#dial(url)
    }
    this.process.setTimer(dialIntervalMs * (0.5 + this.#network.random.nextFloat()), () => this.#dialAgain())
  }

  #dial(url: string): void {
    const acceptor = this.#network.listening(url)
    if (acceptor === null || acceptor.#receiver === null) return
    const introduction = this.#receiver!.introduction()
    const connection: Connection = {
      dialer: this,
      acceptor,
      dialerDisk: introduction.diskId,
      acceptorDisk: null,
      isOpen: true,
    }
    this.#carry(acceptor, () => acceptor.#accept(connection, introduction))
  }

  #accept(connection: Connection, introduction: Introduction): void {
    // The first message may come twice; the second is not a second connection.
    if (this.connections.has(connection) || !connection.isOpen) return
    if (!this.#admits(introduction)) {
      connection.isOpen = false
      return
    }
    this.connections.add(connection)
    const own = this.#receiver!.introduction()
    const { dialer } = connection
    this.#carry(dialer, () => dialer.#onAccepted(connection, own))
    // An acceptor whose answer was lost finds out by silence.
    this.#network.timeline.after(silenceMaxMs, () => {
      if (connection.acceptorDisk === null) this.#network.lose(connection)
    })
  }

  #onAccepted(connection: Connection, introduction: Introduction): void {
    if (!connection.isOpen || this.connections.has(connection)) return
    if (!this.#admits(introduction)) {
      this.#network.lose(connection)
      return
    }
    connection.acceptorDisk = introduction.diskId
    this.connections.add(connection)
  }

  #onIntroduction(connection: Connection, introduction: Introduction): void {
    if (connection.isOpen && !this.#admits(introduction)) this.#network.lose(connection)
  }

  #admits(introduction: Introduction): boolean {
    try {
      this.#receiver!.onIntroduction({ ...introduction })
      return true
    } catch (error) {
      this.#network.watcher.refused(this.id, introduction, error as Error)
      return false
    }
  }

  #connectionTo(id: NodeId): Connection | null {
    for (const connection of this.connections) if (peerOf(connection, this).id === id) return connection
    return null
  }

  #carry(to: SimPort, arrive: () => void): void {
    this.#network.links.carry(this.id, to.id, () => to.process.receive(arrive))
  }
}

function peerOf(connection: Connection, port: SimPort): SimPort {
  return connection.dialer === port ? connection.acceptor : connection.dialer
}

/** The disk that `port` introduced itself with; only the acceptor can be asked before its answer has arrived. */
function diskOf(connection: Connection, port: SimPort): string {
  return connection.dialer === port ? connection.dialerDisk : (connection.acceptorDisk ?? '')
}
