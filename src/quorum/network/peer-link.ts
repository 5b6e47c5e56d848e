/**
 * The connection to one peer, kept up, and open once both sides are introduced. What is sent goes out by turns of the event
 * loop, as few frames as possible, behind a queue of so many bytes and no more.
 */
import type { Api } from '../../protocol/api.ts'
import { apiVersions, introduce, raftMessages } from '../../protocol/apis/index.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { Message } from '../../raft/messages.ts'
import type { Connection, RequestOptions } from '../../transport/connection.ts'
import { KeptConnection } from '../../transport/kept-connection.ts'
import type { NodeId } from '../../util/numbers.ts'
import { MiB } from '../../util/units.ts'
import type { Introduction } from '../peer-port.ts'
import type { LinkCore } from './link-core.ts'
import { isOvertaken } from './overtaken.ts'

/** Messages of one frame; a larger one travels alone. */
const frameBytesMax = MiB
/** With so little waiting, a message larger than the whole queue may go. */
const almostNothingBytes = 64 * 1024
/** Requests sent and not answered: forwarded ones and a piece of a snapshot, which wait for each other above it. */
const requestsInFlightBytesMax = 4 * MiB

export class PeerLink {
  readonly id: NodeId
  readonly url: string
  readonly #core: LinkCore
  readonly #kept: KeptConnection
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  /** The last of `#unsent`. */
  #lastUnsent: Message | null = null

  constructor(core: LinkCore, id: NodeId, url: string) {
    this.#core = core
    this.id = id
    this.url = url
    this.#kept = this.#keepUp()
  }

  get isOpen(): boolean {
    return this.#kept.connection !== null
  }

  /** Why it is not open, one sentence. */
  get reason(): string {
    return this.#kept.reason
  }

  /** `encoded` is `message`. Leaves at the end of this turn, if there is room, and unless the next one says it too. */
  send(message: Message, encoded: Uint8Array): void {
    const isLastOvertaken = this.#lastUnsent !== null && isOvertaken(this.#lastUnsent, message)
    const overtakenBytes = isLastOvertaken ? this.#unsent.at(-1)!.length : 0
    const waitingBytes = this.#unsentBytes - overtakenBytes + (this.#kept.connection?.bufferedBytes ?? 0)
    const hasRoom = waitingBytes + encoded.length <= this.#core.sendQueueBytesMax || waitingBytes <= almostNothingBytes
    if (!this.isOpen || !hasRoom) {
      this.#core.stats.messagesDropped++
      return
    }
    if (isLastOvertaken) this.#unsent.pop()
    this.#unsent.push(encoded)
    this.#unsentBytes += encoded.length - overtakenBytes
    this.#lastUnsent = message
    this.#core.flushSoon()
  }

  flush(): void {
    const messages = this.#unsent
    this.#unsent = []
    this.#unsentBytes = 0
    this.#lastUnsent = null
    const { connection } = this.#kept
    for (let from = 0; connection !== null && !connection.isClosed && from < messages.length; ) {
      let to = from + 1
      for (let bytes = messages[from]!.length; to < messages.length && to - from < limits.items; to++) {
        bytes += messages[to]!.length
        if (bytes > frameBytesMax) break
      }
      connection.requestNoResponse(raftMessages, { messages: messages.slice(from, to) })
      this.#core.stats.framesSent++
      this.#core.stats.messagesSent += to - from
      from = to
    }
  }

  request<Q, S>(api: Api<Q, S>, body: Q, options: RequestOptions): Promise<S> {
    const { connection } = this.#kept
    if (connection === null) {
      const text = `Node ${this.id} at ${this.url} is not reached: ${this.reason}`
      return Promise.reject(new ApiError('NETWORK_EXCEPTION', text))
    }
    if (connection.bufferedBytes > this.#core.sendQueueBytesMax) {
      return Promise.reject(new ApiError('BROKER_OVERLOADED', `Node ${this.id} does not take what is sent to it.`))
    }
    return connection.request(api, body, options)
  }

  /** What this member says of itself has changed. One that is being dialled is told when it is. */
  introduceAgain(): void {
    const { connection } = this.#kept
    if (connection === null) return
    this.#introduce(connection, this.#core.receiver().introduction()).catch((error: unknown) => {
      if (this.#kept.connection === connection) this.#kept.drop(error as Error)
    })
  }

  /** Nothing is called back any more. Resolves when the socket is gone. */
  async close(): Promise<void> {
    const wasOpen = this.isOpen
    const closed = this.#kept.close()
    if (wasOpen) this.#core.presence.left(this.id)
    await closed
  }

  #keepUp(): KeptConnection {
    const { socketFactory, clock, random, timing, nodeId, logger, presence, onReached } = this.#core
    const fields = { peer: this.id, url: this.url }
    return new KeptConnection({
      url: this.url,
      socketFactory,
      clock,
      random,
      timing,
      clientId: `node-${nodeId}`,
      inFlightBytesMax: requestsInFlightBytesMax,
      check: (connection, signal) => this.#introduceUntilSettled(connection, signal),
      probe: connection => this.#probe(connection),
      onOpen: () => {
        logger.info(fields, 'reached a peer')
        presence.arrived(this.id)
        onReached(this.id)
      },
      onLost: () => presence.left(this.id),
      onTrouble: (reason, isPassing) => {
        if (isPassing) logger.info({ ...fields, reason }, 'a peer is not reached')
        else logger.warn({ ...fields, reason }, 'a peer and this node refuse each other')
      },
    })
  }

  async #introduceUntilSettled(connection: Connection, signal: AbortSignal): Promise<void> {
    let said: Introduction
    do {
      said = this.#core.receiver().introduction()
      await this.#introduce(connection, said, signal)
      // Until nothing changed while it was on its way.
    } while (!isSame(said, this.#core.receiver().introduction()))
  }

  async #introduce(connection: Connection, self: Introduction, signal?: AbortSignal): Promise<void> {
    const { receiver, timing } = this.#core
    const options = { timeoutMs: timing.connectTimeoutMs, ...(signal === undefined ? {} : { signal }) }
    const peer = await connection.request(introduce, { to: this.id, ...self }, options)
    if (peer.nodeId !== this.id)
      throw new ApiError('INVALID_REQUEST', `At ${this.url} is node ${peer.nodeId}, not node ${this.id}.`)
    receiver().onIntroduction({ ...peer, nodeId: this.id })
  }

  /** One-way messages alone would never show that nobody takes them: an answer that is late counts as none. */
  async #probe(connection: Connection): Promise<void> {
    try {
      await connection.request(apiVersions, { clientId: `node-${this.#core.nodeId}`, software: null })
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'REQUEST_TIMED_OUT') throw error
      throw new ApiError('NETWORK_EXCEPTION', error.message, { cause: error })
    }
  }
}

function isSame(a: Introduction, b: Introduction): boolean {
  return a.nodeId === b.nodeId && a.diskId === b.diskId && a.clusterId === b.clusterId && a.url === b.url
}
