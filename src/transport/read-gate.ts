/** Whether a connection reads, and all the reasons why it does not. The socket is paused from the first to the last. */
import type { Socket } from './socket.ts'
import type { TransportStats } from './stats.ts'

/** Reasons not to read, as bits. */
export const blocked = {
  /** The requests in flight on this connection hold too many bytes. */
  connection: 1,
  /** Those on the whole node do. */
  node: 2,
  /** The other end does not take its answers. */
  reader: 4,
  /** The listener is closing. */
  draining: 8,
} as const

export class ReadGate {
  readonly #socket: Socket
  readonly #pauses: TransportStats['pauses']
  #reasons = 0

  constructor(socket: Socket, stats: TransportStats) {
    this.#socket = socket
    this.#pauses = stats.pauses
  }

  get isOpen(): boolean {
    return this.#reasons === 0
  }

  has(reason: number): boolean {
    return (this.#reasons & reason) !== 0
  }

  shut(reason: number): void {
    if (this.has(reason)) return
    if (this.#reasons === 0) this.#socket.pause()
    this.#reasons |= reason
    if (reason === blocked.connection) this.#pauses.connection++
    else if (reason === blocked.node) this.#pauses.node++
    else if (reason === blocked.reader) this.#pauses.reader++
  }

  /** Takes a reason away. What waited goes first: the owner calls `resume` after it. */
  lift(reason: number): void {
    this.#reasons &= ~reason
  }

  resume(): void {
    if (this.#reasons === 0) this.#socket.resume()
  }
}
