/**
 * Connections on virtual time, as the driver sees them: introduced in both directions, refused when either side throws,
 * lost when a member is cut off, dialled again afterwards. Messages take a little while; what is cut gets nothing.
 */
import { ApiError } from '../../src/protocol/errors.ts'
import type {
  ChunkAnswer,
  Introduction,
  PeerReceiver,
  PeerTransport,
  SnapshotChunk,
} from '../../src/quorum/peer-port.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'

const delayMs = 2
const dialIntervalMs = 20

export const urlOf = (id: number): string => `test://${id}`

export class VirtualNetwork {
  readonly clock: VirtualClock
  /** Members that nothing reaches and nothing leaves. */
  readonly cut = new Set<NodeId>()
  readonly sent: Message[] = []
  readonly chunks: SnapshotChunk[] = []
  readonly refusals: ApiError[] = []
  /** What becomes of a piece of a snapshot on its way: `null` loses it. */
  spoil: (chunk: SnapshotChunk) => SnapshotChunk | null = chunk => chunk
  readonly #ports = new Map<NodeId, Port>()

  constructor(clock: VirtualClock) {
    this.clock = clock
  }

  /** A new process under `id`: connections of the one before are gone. */
  attach(id: NodeId): PeerTransport {
    this.detach(id)
    const port = new Port(this, id)
    this.#ports.set(id, port)
    return port
  }

  detach(id: NodeId): void {
    const port = this.#ports.get(id)
    this.#ports.delete(id)
    port?.close()
  }

  /** Whom `id` wants to reach. */
  reachedBy(id: number): ReadonlyMap<NodeId, string> {
    return this.#ports.get(toNodeId(id))!.addresses
  }

  portAt(url: string): Port | null {
    return this.#ports.get(toNodeId(Number(url.slice('test://'.length)))) ?? null
  }

  portOf(id: NodeId): Port | null {
    return this.#ports.get(id) ?? null
  }

  isCut(a: NodeId, b: NodeId): boolean {
    return this.cut.has(a) || this.cut.has(b)
  }
}

class Port implements PeerTransport {
  readonly id: NodeId
  addresses: ReadonlyMap<NodeId, string> = new Map()
  receiver: PeerReceiver | null = null
  /** What each introduced peer said of itself. */
  readonly #links = new Map<Port, Introduction>()
  readonly #network: VirtualNetwork
  #isClosed = false

  constructor(network: VirtualNetwork, id: NodeId) {
    this.#network = network
    this.id = id
  }

  open(receiver: PeerReceiver): void {
    this.receiver = receiver
    this.#dial()
  }

  reach(addresses: ReadonlyMap<NodeId, string>): void {
    this.addresses = addresses
  }

  introduceAgain(): void {
    for (const peer of [...this.#links.keys()]) this.#introduceTo(peer)
  }

  send(to: NodeId, message: Message): void {
    this.#network.sent.push(message)
    const peer = this.#linkedTo(to)
    if (peer === null) return
    const { diskId } = this.receiver!.introduction()
    this.#carry(peer, () => peer.receiver!.onMessage(message, diskId))
  }

  sendChunk(to: NodeId, chunk: SnapshotChunk): Promise<ChunkAnswer> {
    this.#network.chunks.push(chunk)
    const peer = this.#linkedTo(to)
    const carried = this.#network.spoil(chunk)
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(new ApiError('NETWORK_EXCEPTION', 'no answer'))
      this.#network.clock.setTimer(500, lost)
      if (peer === null || carried === null) return
      const { diskId } = this.receiver!.introduction()
      this.#carry(peer, () => {
        const answer = Promise.resolve(peer.receiver!.onChunk(carried, diskId))
        void answer.then(value => peer.#carry(this, () => resolve(value)))
      })
    })
  }

  close(): void {
    this.#isClosed = true
    for (const peer of [...this.#links.keys()]) this.#lose(peer)
  }

  #dial(): void {
    if (this.#isClosed) return
    for (const peer of [...this.#links.keys()]) if (this.#network.isCut(this.id, peer.id)) this.#lose(peer)
    for (const [id, url] of this.addresses) {
      const peer = this.#network.portAt(url)
      if (peer === null || peer.id !== id || peer.receiver === null || this.#links.has(peer)) continue
      if (!this.#network.isCut(this.id, id)) this.#introduceTo(peer)
    }
    this.#network.clock.setTimer(dialIntervalMs, () => this.#dial())
  }

  /** Both introduce themselves; who refuses ends it. */
  #introduceTo(peer: Port): void {
    const own = this.receiver!.introduction()
    this.#carry(peer, () => {
      if (!peer.#admit(this, own)) return
      const answer = peer.receiver!.introduction()
      peer.#carry(this, () => {
        if (!this.#admit(peer, answer)) peer.#lose(this)
      })
    })
  }

  #admit(peer: Port, introduction: Introduction): boolean {
    try {
      this.receiver!.onIntroduction(introduction)
      this.#links.set(peer, introduction)
      return true
    } catch (error) {
      this.#network.refusals.push(error as ApiError)
      this.#lose(peer)
      return false
    }
  }

  #lose(peer: Port): void {
    if (this.#links.delete(peer)) this.receiver?.onGone(peer.id)
    if (peer.#links.delete(this)) peer.receiver?.onGone(this.id)
  }

  #linkedTo(id: NodeId): Port | null {
    const peer = this.#network.portOf(id)
    return peer !== null && this.#links.has(peer) && !this.#network.isCut(this.id, id) ? peer : null
  }

  #carry(to: Port, arrive: () => void): void {
    this.#network.clock.setTimer(delayMs, () => {
      if (!this.#network.isCut(this.id, to.id) && this.#network.portOf(to.id) === to && !this.#isClosed) arrive()
    })
  }
}
