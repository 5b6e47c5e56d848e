/**
 * Connections to other brokers for what is forwarded to them: opened by the first request, at the address the metadata
 * give, and kept until either end closes. They are connections of their own, so that what clients ask through this node stands neither
 * in front of the quorum's heartbeats nor in front of replication.
 */
import { ApiError } from '../../protocol/errors.ts'
import { openConnection } from '../../transport/client-connection.ts'
import type { Connection } from '../../transport/connection.ts'
import type { SocketFactory } from '../../transport/socket.ts'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import { MiB } from '../../util/units.ts'
import { version } from '../../util/version.ts'

export interface NodeLinksOptions {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly socketFactory: SocketFactory
  readonly clock: Clock
  readonly logger: Logger
  readonly connectTimeoutMs: number
  /** Where other nodes reach a broker; `null` for one that is not registered. */
  readonly urlOf: (nodeId: NodeId) => string | null
}

/** Of requests sent to one broker and not answered; those behind it wait here, bounded by whoever makes them. */
const inFlightBytesMax = 32 * MiB
/** Of a request that names none. */
const requestTimeoutMs = 30_000

interface Link {
  readonly url: string
  readonly opening: Promise<Connection>
}

export class NodeLinks {
  readonly #options: NodeLinksOptions
  readonly #links = new Map<NodeId, Link>()
  readonly #closing = new AbortController()

  constructor(options: NodeLinksOptions) {
    this.#options = options
  }

  /** Rejects with `ApiError` when the broker is not reached, or another node is where it should be: nothing was sent. */
  to(nodeId: NodeId): Promise<Connection> {
    const url = this.#options.urlOf(nodeId)
    const known = this.#links.get(nodeId)
    if (known !== undefined && known.url === url) return known.opening
    if (known !== undefined) void this.#forget(nodeId, known)
    if (url === null) return Promise.reject(new ApiError('LEADER_NOT_AVAILABLE', `Node ${nodeId} has no address.`))
    const link = { url, opening: this.#open(nodeId, url) }
    this.#links.set(nodeId, link)
    link.opening.then(
      connection => connection.onClose(() => this.#drop(nodeId, link)),
      () => this.#drop(nodeId, link),
    )
    return link.opening
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const links = [...this.#links]
    await Promise.all(links.map(([nodeId, link]) => this.#forget(nodeId, link)))
  }

  async #open(nodeId: NodeId, url: string): Promise<Connection> {
    const { nodeId: self, clusterId, socketFactory, clock, logger, connectTimeoutMs } = this.#options
    const connection = await openConnection(url, {
      socketFactory,
      clock,
      clientId: `node-${self}`,
      software: `millrace ${version}`,
      connectTimeoutMs,
      requestTimeoutMs,
      inFlightBytesMax,
      signal: this.#closing.signal,
    })
    const { peer } = connection
    if (peer.nodeId === nodeId && peer.clusterId === clusterId && !this.#closing.signal.aborted) return connection
    void connection[Symbol.asyncDispose]()
    logger.warn(
      { url, nodeId, found: peer.nodeId, clusterId: peer.clusterId },
      'another node is where a broker should be',
    )
    throw new ApiError('LEADER_NOT_AVAILABLE', `At ${url} is node ${peer.nodeId} of cluster ${peer.clusterId}.`)
  }

  #drop(nodeId: NodeId, link: Link): void {
    if (this.#links.get(nodeId) === link) this.#links.delete(nodeId)
  }

  /** Resolves when its socket is gone. */
  async #forget(nodeId: NodeId, link: Link): Promise<void> {
    this.#drop(nodeId, link)
    await link.opening.then(
      connection => connection[Symbol.asyncDispose](),
      () => {},
    )
  }
}
