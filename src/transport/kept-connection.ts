/**
 * A connection to one node, kept up: dialled, checked, probed, dialled again.
 *
 *   dialling ──connected, accepted──► open ──closed, silent, refused──► waiting ──pause over──► dialling
 */
import { ApiError, type ErrorName } from '../protocol/errors.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { Random } from '../util/random.ts'
import { version } from '../util/version.ts'
import { openConnection } from './client-connection.ts'
import type { Connection } from './connection.ts'
import type { SocketFactory } from './socket.ts'

export interface KeptTiming {
  /** For a connection and its `ApiVersions`; also for what a check asks. */
  readonly connectTimeoutMs: number
  /** An open connection is asked for a sign of life this often… */
  readonly probeIntervalMs: number
  /** …and given up when none came for this long: behind it the wire is cut, or the machine is gone (half-open TCP). */
  readonly silenceMs: number
  /** Pause before a lost connection is tried again, doubled each time up to the second; drawn from the upper half. */
  readonly retryMsMin: number
  readonly retryMsMax: number
}

export interface KeptConnectionOptions {
  readonly url: string
  readonly socketFactory: SocketFactory
  readonly clock: Clock
  /** For the pauses: nodes that lost each other at once must not come back at once. */
  readonly random: Random
  readonly timing: KeptTiming
  readonly clientId: string
  /** Bytes of requests sent and not answered; exceeded by at most one request. */
  readonly inFlightBytesMax: number
  /** Whether whoever answered is who is wanted; throws or rejects with `ApiError` if not. `signal`: it was closed meanwhile. */
  readonly check: (connection: Connection, signal: AbortSignal) => void | Promise<void>
  /** Any request that is answered at once: requests that take their time would not show that nobody is there. */
  readonly probe: (connection: Connection) => Promise<unknown>
  readonly onOpen: (connection: Connection) => void
  /** The open connection is gone, and with it the answers to everything that was sent on it. */
  readonly onLost: () => void
  /** Why it is not open; once for each kind of reason. `isPassing`: a start, or a node that is away. */
  readonly onTrouble: (reason: string, isPassing: boolean) => void
}

/** What passes by itself, and is not worth a warning when a cluster starts or a node is away. */
const passing: readonly ErrorName[] = ['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT', 'SHUTTING_DOWN']

export class KeptConnection {
  readonly url: string
  readonly #options: KeptConnectionOptions
  readonly #closing = new AbortController()
  #open: Connection | null = null
  #openedMs = 0
  #failures = 0
  #timer: Timer | null = null
  /** What was last told of why it is not open. */
  #reported: string | null = null
  /** Why it is not open, one sentence. */
  reason = 'It has not answered yet.'

  constructor(options: KeptConnectionOptions) {
    this.url = options.url
    this.#options = options
    this.#dial()
  }

  /** `null` while it is not open. */
  get connection(): Connection | null {
    return this.#open
  }

  /** Gives up the open connection, for a reason that its other end gave, and tries again. */
  drop(reason: Error): void {
    if (this.#open !== null) this.#lose(this.#open, reason)
  }

  /** Nothing is called back any more. Resolves when the socket is gone. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#timer?.cancel()
    const connection = this.#open
    this.#open = null
    await connection?.[Symbol.asyncDispose]()
  }

  #dial(): void {
    this.#connect().catch((error: unknown) => this.#retry(error as Error))
  }

  async #connect(): Promise<void> {
    const { socketFactory, clock, clientId, timing, inFlightBytesMax, check, onOpen } = this.#options
    const connection = await openConnection(this.url, {
      socketFactory,
      clock,
      clientId,
      software: `millrace ${version}`,
      connectTimeoutMs: timing.connectTimeoutMs,
      // Also the silence after which the connection closes itself.
      requestTimeoutMs: timing.silenceMs,
      inFlightBytesMax,
      signal: this.#closing.signal,
    })
    try {
      const { signal } = this.#closing
      if (!signal.aborted) await check(connection, signal)
      if (signal.aborted) throw new ApiError('SHUTTING_DOWN')
    } catch (error) {
      void connection[Symbol.asyncDispose]()
      throw error
    }
    this.#reported = null
    this.#open = connection
    this.#openedMs = clock.nowMs()
    // Whoever hears that it is lost has heard before that it was there.
    onOpen(connection)
    connection.onClose(reason => this.#lose(connection, reason))
    if (this.#open === connection) this.#probeLater(connection)
  }

  #probeLater(connection: Connection): void {
    const { clock, timing, probe } = this.#options
    this.#timer = clock.setTimer(timing.probeIntervalMs, () => {
      const again = (): void => {
        if (this.#open === connection) this.#probeLater(connection)
      }
      probe(connection).then(again, (error: unknown) => {
        // Late behind much that was on its way: a connection on which not a word comes closes itself.
        if (error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT' && !connection.isClosed) again()
        else this.#lose(connection, error as Error)
      })
    })
  }

  #lose(connection: Connection, reason: Error): void {
    if (this.#open !== connection) return
    const { clock, timing, onLost } = this.#options
    this.#open = null
    this.#timer?.cancel()
    // One that opens and closes all the time is not getting better.
    if (clock.nowMs() - this.#openedMs > timing.retryMsMax) this.#failures = 0
    void connection[Symbol.asyncDispose]()
    onLost()
    this.#retry(reason)
  }

  #retry(error: Error): void {
    if (this.#closing.signal.aborted) return
    const { clock, random, timing } = this.#options
    this.#report(error)
    const pauseMs = Math.min(timing.retryMsMax, timing.retryMsMin * 2 ** Math.min(this.#failures++, 20))
    this.#timer = clock.setTimer(pauseMs * (0.5 + random.nextFloat() / 2), () => this.#dial())
  }

  #report(error: Error): void {
    const isPassing = error instanceof ApiError && passing.includes(error.code)
    this.reason = error.message
    const kind = isPassing ? 'unreachable' : error.message
    if (kind === this.#reported) return
    this.#reported = kind
    this.#options.onTrouble(error.message, isPassing)
  }
}
