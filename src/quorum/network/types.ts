/** What the members' network is made of and made with. */
import type { Api } from '../../protocol/api.ts'
import type { RequestOptions } from '../../transport/connection.ts'
import type { Handler } from '../../transport/handler.ts'
import type { KeptTiming } from '../../transport/kept-connection.ts'
import type { SocketFactory } from '../../transport/socket.ts'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { MiB, secondMs } from '../../util/units.ts'
import type { PeerTransport } from '../peer-port.ts'

export interface PeerTiming extends KeptTiming {
  /** For a piece of a snapshot: the receiver may have to write all of it first. */
  readonly chunkTimeoutMs: number
}

export const defaultPeerTiming: PeerTiming = {
  connectTimeoutMs: 2 * secondMs,
  probeIntervalMs: 500,
  silenceMs: 3 * secondMs,
  retryMsMin: 20,
  retryMsMax: secondMs,
  chunkTimeoutMs: 30 * secondMs,
}

/** Above what a leader has under way to one follower (`inFlightBytesMax`), so that in good times nothing is dropped. */
export const defaultSendQueueBytesMax = 16 * MiB

export interface PeerNetworkOptions {
  readonly nodeId: NodeId
  readonly socketFactory: SocketFactory
  readonly clock: Clock
  /** For the pauses between attempts: members that lost each other at once must not come back at once. */
  readonly random: Random
  readonly logger: Logger
  readonly timing?: Partial<PeerTiming>
  /** Bytes that wait for one peer; what does not fit is dropped. One larger message goes when nothing else waits. */
  readonly sendQueueBytesMax?: number
}

/** Cumulative. */
export interface PeerNetworkStats {
  messagesSent: number
  messagesReceived: number
  /** For want of a connection, or of room in its queue. */
  messagesDropped: number
  framesSent: number
}

export interface UnreachedPeer {
  readonly id: NodeId
  readonly url: string
  /** One sentence. */
  readonly reason: string
}

/** The members of a quorum over real connections. */
export interface PeerNetwork extends PeerTransport, AsyncDisposable {
  /** What the listener for peers serves for it, in both its senses: introductions, messages, pieces of snapshots. */
  readonly handlers: readonly Handler[]
  readonly stats: Readonly<PeerNetworkStats>
  /**
   * Asks a peer that is reached, over the same connection. Rejects with `NETWORK_EXCEPTION`, at once, when it is not;
   * else like `Connection.request`. What it rejects with may mean that the request was done.
   */
  request<Q, S>(to: NodeId, api: Api<Q, S>, body: Q, options?: RequestOptions): Promise<S>
  /** Calls `listener` whenever a peer can be asked, for the first time or again. Returns what stops it. */
  onReached(listener: (nodeId: NodeId) => void): () => void
  /** Calls `listener`, beside the receiver, whenever the last connection with a peer is gone. Returns what stops it. */
  onGone(listener: (nodeId: NodeId) => void): () => void
  /** Those of `reach` without an introduced connection now. */
  unreached(): readonly UnreachedPeer[]
  /** Closes every connection of its own; nobody is told. Those that the listener accepted are the listener's to close. */
  [Symbol.asyncDispose](): Promise<void>
}
