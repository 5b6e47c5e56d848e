/**
 * The connection to one follower's broker: there while something is sent to it, at the address the metadata give. It is a
 * connection of its own, beside the quorum's: bulk data do not delay the heartbeats of Raft.
 */
import { appendEntries } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { Connection } from '../../transport/connection.ts'
import { KeptConnection } from '../../transport/kept-connection.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { SenderCore } from './sender-core.ts'

export interface LinkUser {
  readonly isIdle: boolean
  onOpen(): void
  /** Nothing that was sent is answered any more. */
  onLost(): void
}

export class FollowerLink {
  readonly #core: SenderCore
  readonly #nodeId: NodeId
  readonly #user: LinkUser
  #kept: KeptConnection | null = null
  #isDue = false
  #isClosed = false

  constructor(core: SenderCore, nodeId: NodeId, user: LinkUser) {
    this.#core = core
    this.#nodeId = nodeId
    this.#user = user
  }

  get connection(): Connection | null {
    return this.#kept?.connection ?? null
  }

  drop(reason: Error): void {
    this.#kept?.drop(reason)
  }

  /** Whether it is needed, or where it leads, may have changed: looked at when the turn is over. */
  reconsider(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#core.clock.defer(() => {
      this.#isDue = false
      if (!this.#isClosed) this.#settle()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#kept?.close()
  }

  #settle(): void {
    const url = this.#user.isIdle ? null : this.#core.urlOf(this.#nodeId)
    // A broker that is not registered at the moment is still where it was.
    if (url === (this.#kept?.url ?? null) || (url === null && !this.#user.isIdle)) return
    if (this.#kept !== null) {
      void this.#kept.close()
      this.#kept = null
      this.#user.onLost()
    }
    if (url !== null) this.#kept = this.#open(url)
  }

  #open(url: string): KeptConnection {
    const { nodeId, peers, clock, random, logger, windowBytes, brokerEpoch } = this.#core
    const fields = { follower: this.#nodeId, url }
    return new KeptConnection({
      url,
      socketFactory: peers.socketFactory,
      clock,
      random,
      timing: peers.timing,
      clientId: `node-${nodeId}`,
      // The sender has its own window, which is smaller.
      inFlightBytesMax: 4 * windowBytes,
      check: connection => this.#check(connection),
      probe: connection =>
        connection.request(appendEntries, { leaderId: nodeId, brokerEpoch: brokerEpoch() ?? -1, partitions: [] }),
      onOpen: () => {
        logger.info(fields, 'reached a follower')
        this.#user.onOpen()
      },
      onLost: () => this.#user.onLost(),
      onTrouble: (reason, isPassing) =>
        logger[isPassing ? 'info' : 'warn']({ ...fields, reason }, 'a follower is not reached'),
    })
  }

  #check({ peer, url }: Connection): void {
    const { clusterId } = this.#core
    if (peer.nodeId !== this.#nodeId)
      throw new ApiError('INVALID_REQUEST', `At ${url} is node ${peer.nodeId}, not node ${this.#nodeId}.`)
    if (peer.clusterId !== clusterId)
      throw new ApiError('INCONSISTENT_CLUSTER_ID', `At ${url} is a node of cluster ${peer.clusterId}.`)
  }
}
