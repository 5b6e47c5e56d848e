/**
 * The server side of the protocol over any sockets: accepts connections, lets them share handlers, limits, the node's
 * budget and one timer, and closes them all in good order. It listens to nothing itself; the platform hands it sockets.
 */
import type { Clock, Timer } from '../util/clock.ts'
import { type Logger, silentLogger } from '../util/logger.ts'
import type { Handler } from './handler.ts'
import { createHandlerTable, type NodeIdentity } from './handler-table.ts'
import { defaultTransportLimits, type TransportLimits } from './limits.ts'
import type { ListenerCore } from './listener-core.ts'
import { NodeBudget } from './node-budget.ts'
import { OpenServerConnection, type ServerConnection } from './server-connection.ts'
import type { Socket } from './socket.ts'
import { TransportStats } from './stats.ts'

export interface ListenerOptions {
  /** Name of the listener, for handlers and logs: `CLIENT`, `CONTROLLER`. */
  readonly name: string
  readonly handlers: readonly Handler[]
  /** For `ApiVersions`. Asked at every handshake. */
  readonly identity: () => NodeIdentity
  readonly clock: Clock
  readonly logger?: Logger
  /** What is not given is `defaultTransportLimits`. */
  readonly limits?: Partial<TransportLimits>
  /** Share one between the listeners of a node. */
  readonly budget?: NodeBudget
  readonly stats?: TransportStats
  /** Requests wait for memory that answers hold (`HeldMemory`): slow readers are in the way of others. */
  readonly isMemoryShort?: () => boolean
  /** A handler met an `AssertionError` or a `StorageError`: the node must end. */
  readonly onFatal?: (error: Error) => void
}

export interface Listener extends AsyncDisposable {
  readonly stats: TransportStats
  readonly connections: ReadonlySet<ServerConnection>
  /** Takes over a socket, right after it was obtained. */
  accept(socket: Socket): ServerConnection
  /**
   * Takes no more connections and no more requests, lets those under way finish for at most `graceMs`, closes with
   * 1001. Resolves once every connection is gone. Idempotent.
   */
  close(graceMs?: number): Promise<void>
}

export interface ServerConnectionOptions {
  readonly listener: Listener
}

/** Serves `socket` on `listener`. */
export function acceptConnection(socket: Socket, options: ServerConnectionOptions): ServerConnection {
  return options.listener.accept(socket)
}

const sweepEveryMs = 1_000
const defaultGraceMs = 5_000

export function openListener(options: ListenerOptions): Listener {
  const limits = { ...defaultTransportLimits, ...options.limits }
  const stats = options.stats ?? new TransportStats()
  return new OpenListener({
    listenerName: options.name,
    table: createHandlerTable(options.handlers, options.identity, stats),
    limits,
    budget: options.budget ?? new NodeBudget(limits.nodeInFlightBytesMax),
    stats,
    clock: options.clock,
    logger: options.logger ?? silentLogger,
    isMemoryShort: options.isMemoryShort ?? (() => false),
    onFatal: options.onFatal ?? (() => {}),
  })
}

class OpenListener implements Listener {
  readonly connections = new Set<OpenServerConnection>()
  readonly #core: ListenerCore
  #lastConnectionId = 0
  #sweepTimer: Timer | null = null
  #closing: Promise<void> | null = null
  #onAllGone: (() => void) | null = null

  constructor(core: ListenerCore) {
    this.#core = core
  }

  get stats(): TransportStats {
    return this.#core.stats
  }

  accept(socket: Socket): ServerConnection {
    const connection = new OpenServerConnection(++this.#lastConnectionId, socket, this.#core, gone =>
      this.#remove(gone),
    )
    this.connections.add(connection)
    if (this.#closing !== null) connection.drain()
    else this.#sweepTimer ??= this.#core.clock.setTimer(sweepEveryMs, () => this.#sweep())
    return connection
  }

  close(graceMs: number = defaultGraceMs): Promise<void> {
    this.#closing ??= this.#drain(graceMs)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(graceMs: number): Promise<void> {
    this.#sweepTimer?.cancel()
    for (const connection of [...this.connections]) connection.drain()
    if (this.connections.size === 0) return
    const allGone = new Promise<void>(resolve => {
      this.#onAllGone = resolve
    })
    // Whoever keeps a request or the closing handshake open longer than this is cut off.
    const timer = this.#core.clock.setTimer(graceMs, () => {
      for (const connection of [...this.connections]) connection.terminate()
    })
    await allGone
    timer.cancel()
  }

  /** One timer for all connections, running only while there are any. */
  #sweep(): void {
    this.#sweepTimer = null
    const nowMs = this.#core.clock.nowMs()
    for (const connection of [...this.connections]) connection.sweep(nowMs)
    if (this.connections.size > 0 && this.#closing === null) {
      this.#sweepTimer = this.#core.clock.setTimer(sweepEveryMs, () => this.#sweep())
    }
  }

  #remove(connection: OpenServerConnection): void {
    this.connections.delete(connection)
    if (this.connections.size > 0) return
    this.#sweepTimer?.cancel()
    this.#sweepTimer = null
    this.#onAllGone?.()
  }
}
