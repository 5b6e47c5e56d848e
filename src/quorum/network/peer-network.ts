/**
 * The quorum's members over connections: one outgoing connection to every peer that is to be reached, on which everything
 * for it is sent, and handlers for what arrives on those that others opened. Works on any sockets and any clock.
 */
import type { Api } from '../../protocol/api.ts'
import { snapshotChunk } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { Message } from '../../raft/messages.ts'
import type { RequestOptions } from '../../transport/connection.ts'
import type { Handler } from '../../transport/handler.ts'
import type { TransportLimits } from '../../transport/limits.ts'
import { assert } from '../../util/assert.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { ChunkAnswer, PeerReceiver, SnapshotChunk } from '../peer-port.ts'
import { inboundHandlers } from './inbound.ts'
import type { LinkCore } from './link-core.ts'
import { encodeMessage, messageBytesMax } from './message-codec.ts'
import { PeerLink } from './peer-link.ts'
import { Presence } from './presence.ts'
import { chunkBody } from './snapshot-codec.ts'
import {
  defaultPeerTiming,
  defaultSendQueueBytesMax,
  type PeerNetwork,
  type PeerNetworkOptions,
  type PeerNetworkStats,
  type PeerTiming,
  type UnreachedPeer,
} from './types.ts'

export function openPeerNetwork(options: PeerNetworkOptions): PeerNetwork {
  return new OpenPeerNetwork(options)
}

/** For the listener: its connections are probed by those who opened them, so a silent one has nobody behind it. */
export function peerListenerLimits(timing: Partial<PeerTiming> = {}): Partial<TransportLimits> {
  return { idleTimeoutMs: 2 * { ...defaultPeerTiming, ...timing }.silenceMs }
}

class OpenPeerNetwork implements PeerNetwork {
  readonly handlers: readonly Handler[]
  readonly stats: PeerNetworkStats = { messagesSent: 0, messagesReceived: 0, messagesDropped: 0, framesSent: 0 }
  readonly #core: LinkCore
  readonly #links = new Map<NodeId, PeerLink>()
  readonly #reachedListeners = new Set<(nodeId: NodeId) => void>()
  readonly #goneListeners = new Set<(nodeId: NodeId) => void>()
  #receiver: PeerReceiver | null = null
  /** What was encoded last in this turn: as a rule the next one is the same, for another follower. */
  #encoded: { readonly message: Message; readonly bytes: Uint8Array } | null = null
  #isFlushDue = false
  #closing: Promise<void> | null = null

  constructor(options: PeerNetworkOptions) {
    const { nodeId, socketFactory, clock, random, logger, sendQueueBytesMax = defaultSendQueueBytesMax } = options
    this.#core = {
      nodeId,
      receiver: () => this.#listening(),
      presence: new Presence(gone => this.#tellGone(gone)),
      onReached: reached => this.#tellReached(reached),
      socketFactory,
      clock,
      random,
      logger,
      timing: { ...defaultPeerTiming, ...options.timing },
      sendQueueBytesMax,
      stats: this.stats,
      flushSoon: () => this.#flushSoon(),
    }
    this.handlers = inboundHandlers(this.#core)
  }

  open(receiver: PeerReceiver): void {
    assert(this.#receiver === null, 'one receiver')
    this.#receiver = receiver
  }

  reach(addresses: ReadonlyMap<NodeId, string>): void {
    if (this.#closing !== null) return
    assert(this.#receiver !== null, 'whoever reaches out can be introduced')
    for (const [id, link] of this.#links) {
      if (addresses.get(id) === link.url) continue
      this.#links.delete(id)
      void link.close()
    }
    for (const [id, url] of addresses) {
      if (id !== this.#core.nodeId && !this.#links.has(id)) this.#links.set(id, new PeerLink(this.#core, id, url))
    }
  }

  introduceAgain(): void {
    for (const link of this.#links.values()) link.introduceAgain()
  }

  send(to: NodeId, message: Message): void {
    const link = this.#links.get(to)
    if (link === undefined || !link.isOpen) {
      this.stats.messagesDropped++
      return
    }
    if (this.#encoded?.message !== message) this.#encoded = { message, bytes: encodeMessage(message) }
    const { bytes } = this.#encoded
    if (bytes.length <= messageBytesMax) link.send(message, bytes)
    else this.#core.logger.error({ to, kind: message.kind, bytes: bytes.length }, 'a message is too large to be sent')
  }

  async sendChunk(to: NodeId, chunk: SnapshotChunk): Promise<ChunkAnswer> {
    return this.request(to, snapshotChunk, chunkBody(chunk), { timeoutMs: this.#core.timing.chunkTimeoutMs })
  }

  request<Q, S>(to: NodeId, api: Api<Q, S>, body: Q, options: RequestOptions = {}): Promise<S> {
    const link = this.#links.get(to)
    if (link !== undefined) return link.request(api, body, options)
    return Promise.reject(new ApiError('NETWORK_EXCEPTION', `Nothing is known of where node ${to} is.`))
  }

  onReached(listener: (nodeId: NodeId) => void): () => void {
    this.#reachedListeners.add(listener)
    return () => this.#reachedListeners.delete(listener)
  }

  onGone(listener: (nodeId: NodeId) => void): () => void {
    this.#goneListeners.add(listener)
    return () => this.#goneListeners.delete(listener)
  }

  unreached(): readonly UnreachedPeer[] {
    return [...this.#links.values()].filter(link => !link.isOpen).map(({ id, url, reason }) => ({ id, url, reason }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const links = [...this.#links.values()]
    this.#links.clear()
    await Promise.all(links.map(link => link.close()))
  }

  #tellReached(nodeId: NodeId): void {
    for (const listener of [...this.#reachedListeners]) listener(nodeId)
  }

  #tellGone(nodeId: NodeId): void {
    if (this.#closing !== null) return
    this.#receiver?.onGone(nodeId)
    for (const listener of [...this.#goneListeners]) listener(nodeId)
  }

  /** Peers may call before the member is open, or while it closes: they try again. */
  #listening(): PeerReceiver {
    if (this.#receiver === null || this.#closing !== null)
      throw new ApiError('SHUTTING_DOWN', `Node ${this.#core.nodeId} does not talk to its peers now.`)
    return this.#receiver
  }

  /** Everything the members say to each other in one turn of the event loop leaves together. */
  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#core.clock.defer(() => {
      this.#isFlushDue = false
      this.#encoded = null
      for (const link of this.#links.values()) link.flush()
    })
  }
}
