/**
 * The connection to one peer, kept up: dialled, introduced, probed, dialled again. What is sent goes out by turns of the
 * event loop, as few frames as possible, behind a queue of so many bytes and no more.
 *
 *   dialling ──connected, introduced──► open ──closed, silent, refused──► waiting ──pause over──► dialling
 */
import type { Api } from '../../protocol/api.ts'
import { apiVersions, introduce, raftMessages } from '../../protocol/apis/index.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError, type ErrorName } from '../../protocol/errors.ts'
import type { Message } from '../../raft/messages.ts'
import { openConnection } from '../../transport/client-connection.ts'
import type { Connection, RequestOptions } from '../../transport/connection.ts'
import type { Timer } from '../../util/clock.ts'
import type { NodeId } from '../../util/numbers.ts'
import { MiB } from '../../util/units.ts'
import { version } from '../../util/version.ts'
import type { Introduction } from '../peer-port.ts'
import type { LinkCore } from './link-core.ts'
import { isOvertaken } from './overtaken.ts'

/** Messages of one frame; a larger one travels alone. */
const frameBytesMax = MiB
/** With so little waiting, a message larger than the whole queue may go. */
const almostNothingBytes = 64 * 1024
/** Requests sent and not answered: forwarded ones and a piece of a snapshot, which wait for each other above it. */
const requestsInFlightBytesMax = 4 * MiB
/** What passes by itself, and is not worth a warning when a cluster starts or a node is away. */
const passing: readonly ErrorName[] = ['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT', 'SHUTTING_DOWN']

export class PeerLink {
  readonly id: NodeId
  readonly url: string
  readonly #core: LinkCore
  readonly #closing = new AbortController()
  /** Introduced on both sides. */
  #open: Connection | null = null
  #openedMs = 0
  #failures = 0
  #timer: Timer | null = null
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  /** The last of `#unsent`. */
  #lastUnsent: Message | null = null
  /** What was last said in the log about why it is not open. */
  #reported: string | null = null
  /** Why it is not open, one sentence. */
  reason = 'It has not answered yet.'

  constructor(core: LinkCore, id: NodeId, url: string) {
    this.#core = core
    this.id = id
    this.url = url
    this.#dial()
  }

  get isOpen(): boolean {
    return this.#open !== null
  }

  /** `encoded` is `message`. Leaves at the end of this turn, if there is room, and unless the next one says it too. */
  send(message: Message, encoded: Uint8Array): void {
    const isLastOvertaken = this.#lastUnsent !== null && isOvertaken(this.#lastUnsent, message)
    const overtakenBytes = isLastOvertaken ? this.#unsent.at(-1)!.length : 0
    const waitingBytes = this.#unsentBytes - overtakenBytes + (this.#open?.bufferedBytes ?? 0)
    const hasRoom = waitingBytes + encoded.length <= this.#core.sendQueueBytesMax || waitingBytes <= almostNothingBytes
    if (this.#open === null || !hasRoom) {
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
    const connection = this.#open
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
    if (this.#open === null) {
      const text = `Node ${this.id} at ${this.url} is not reached: ${this.reason}`
      return Promise.reject(new ApiError('NETWORK_EXCEPTION', text))
    }
    if (this.#open.bufferedBytes > this.#core.sendQueueBytesMax) {
      return Promise.reject(new ApiError('BROKER_OVERLOADED', `Node ${this.id} does not take what is sent to it.`))
    }
    return this.#open.request(api, body, options)
  }

  /** What this member says of itself has changed. One that is being dialled is told when it is. */
  introduceAgain(): void {
    const connection = this.#open
    if (connection === null) return
    const said = this.#core.receiver().introduction()
    this.#introduce(connection, said).catch((error: unknown) => this.#lose(connection, error as Error))
  }

  /** Nothing is called back any more. Resolves when the socket is gone. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#timer?.cancel()
    const connection = this.#open
    if (connection === null) return
    this.#open = null
    this.#core.presence.left(this.id)
    await connection[Symbol.asyncDispose]()
  }

  #dial(): void {
    this.#connect().catch((error: unknown) => this.#retry(error as Error))
  }

  async #connect(): Promise<void> {
    const { clock, socketFactory, timing, nodeId } = this.#core
    const connection = await openConnection(this.url, {
      socketFactory,
      clock,
      clientId: `node-${nodeId}`,
      software: `millrace ${version}`,
      connectTimeoutMs: timing.connectTimeoutMs,
      // Also the silence after which the connection closes itself.
      requestTimeoutMs: timing.silenceMs,
      inFlightBytesMax: requestsInFlightBytesMax,
      signal: this.#closing.signal,
    })
    try {
      let said: Introduction
      do {
        said = this.#core.receiver().introduction()
        await this.#introduce(connection, said)
        // Until nothing changed while it was on its way.
      } while (!isSame(said, this.#core.receiver().introduction()))
    } catch (error) {
      void connection[Symbol.asyncDispose]()
      throw error
    }
    this.#opened(connection)
  }

  async #introduce(connection: Connection, self: Introduction): Promise<void> {
    const { receiver, timing } = this.#core
    const options = { timeoutMs: timing.connectTimeoutMs, signal: this.#closing.signal }
    const peer = await connection.request(introduce, { to: this.id, ...self }, options)
    if (peer.nodeId !== this.id)
      throw new ApiError('INVALID_REQUEST', `At ${this.url} is node ${peer.nodeId}, not node ${this.id}.`)
    receiver().onIntroduction({ ...peer, nodeId: this.id })
  }

  #opened(connection: Connection): void {
    if (this.#closing.signal.aborted) {
      void connection[Symbol.asyncDispose]()
      return
    }
    const { clock, logger, presence, onReached } = this.#core
    logger.info({ peer: this.id, url: this.url }, 'reached a peer')
    this.#reported = null
    this.#open = connection
    this.#openedMs = clock.nowMs()
    presence.arrived(this.id)
    connection.onClose(reason => this.#lose(connection, reason))
    if (!this.isOpen) return
    this.#probe(connection)
    onReached(this.id)
  }

  /** One-way messages alone would never show that nobody takes them. */
  #probe(connection: Connection): void {
    const { clock, timing, nodeId } = this.#core
    this.#timer = clock.setTimer(timing.probeIntervalMs, () => {
      connection.request(apiVersions, { clientId: `node-${nodeId}`, software: null }).then(
        () => {
          if (this.#open === connection) this.#probe(connection)
        },
        (error: unknown) => this.#lose(connection, error as Error),
      )
    })
  }

  #lose(connection: Connection, reason: Error): void {
    if (this.#open !== connection) return
    const { clock, timing, presence } = this.#core
    this.#open = null
    this.#timer?.cancel()
    // One that opens and closes all the time is not getting better.
    if (clock.nowMs() - this.#openedMs > timing.retryMsMax) this.#failures = 0
    void connection[Symbol.asyncDispose]()
    presence.left(this.id)
    this.#retry(reason)
  }

  #retry(error: Error): void {
    if (this.#closing.signal.aborted) return
    const { clock, random, timing } = this.#core
    this.#report(error)
    const pauseMs = Math.min(timing.retryMsMax, timing.retryMsMin * 2 ** Math.min(this.#failures++, 20))
    this.#timer = clock.setTimer(pauseMs * (0.5 + random.nextFloat() / 2), () => this.#dial())
  }

  /** Once for each kind of failure, not for each attempt. */
  #report(error: Error): void {
    const isPassing = error instanceof ApiError && passing.includes(error.code)
    this.reason = error.message
    const kind = isPassing ? 'unreachable' : error.message
    if (kind === this.#reported) return
    this.#reported = kind
    const fields = { peer: this.id, url: this.url, reason: error.message }
    if (isPassing) this.#core.logger.info(fields, 'a peer is not reached')
    else this.#core.logger.warn(fields, 'a peer and this node refuse each other')
  }
}

function isSame(a: Introduction, b: Introduction): boolean {
  return a.nodeId === b.nodeId && a.diskId === b.diskId && a.clusterId === b.clusterId && a.url === b.url
}
