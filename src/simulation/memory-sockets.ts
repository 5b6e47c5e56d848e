/**
 * Sockets without a network, for tests and for the simulator: messages arrive in order after `latencyMs`, a paused
 * reader fills a bounded window and then the sender's buffer, a cut is noticed by both ends. Time is the clock's alone.
 */
import { ApiError } from '../protocol/errors.ts'
import { bufferMarks, type Socket, type SocketFactory } from '../transport/socket.ts'
import type { Clock } from '../util/clock.ts'
import { KiB } from '../util/units.ts'

export interface MemorySocketOptions {
  /** One way. Default 0: after the inputs already waiting in this turn. */
  readonly latencyMs?: number
  /** What "the kernel" holds for a reader that does not read, before `bufferedBytes` grows. Default 64 KiB. */
  readonly windowBytes?: number
}

/** The two ends of one connection. */
export function memorySocketPair(clock: Clock, options: MemorySocketOptions = {}): [MemorySocket, MemorySocket] {
  const a = new MemorySocket('memory:a', clock, options)
  const b = new MemorySocket('memory:b', clock, options)
  a.join(b)
  b.join(a)
  return [a, b]
}

const abnormalClosure = 1006

export class MemorySocket implements Socket {
  readonly remote: string
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  readonly #clock: Clock
  readonly #latencyMs: number
  readonly #windowBytes: number
  #peer: MemorySocket | null = null
  /** Sent by the peer, not yet handed up; bytes on the way are among them. */
  readonly #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #isPaused = false
  #isClosing = false
  #isClosed = false
  #wasAboveHigh = false

  constructor(remote: string, clock: Clock, options: MemorySocketOptions) {
    this.remote = remote
    this.#clock = clock
    this.#latencyMs = options.latencyMs ?? 0
    this.#windowBytes = options.windowBytes ?? 64 * KiB
  }

  join(peer: MemorySocket): void {
    this.#peer = peer
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#peer!.#inboxBytes - this.#windowBytes)
  }

  send(message: Uint8Array): void {
    if (this.#isClosing || this.#isClosed) return
    const peer = this.#peer!
    peer.#inboxBytes += message.length
    if (this.bufferedBytes > bufferMarks.highBytes) this.#wasAboveHigh = true
    // As over a network, the two ends share no memory: a log patches the very bytes it received.
    const received = message.slice()
    this.#later(() => {
      peer.#inbox.push(received)
      peer.#deliver()
    })
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#clock.defer(() => this.#deliver())
  }

  close(code: number, reason: string): void {
    if (this.#isClosing || this.#isClosed) return
    this.#isClosing = true
    const peer = this.#peer!
    // Behind what was sent before it, as a close frame is.
    this.#later(() => peer.#afterInbox(() => peer.#finish(code, reason)))
    this.#later(() => this.#finish(code, reason))
  }

  /** Both ends learn that the connection is gone; what was on its way is lost. */
  terminate(): void {
    this.#isClosing = true
    this.#clock.defer(() => this.#finish(abnormalClosure, ''))
    this.#later(() => this.#peer!.#finish(abnormalClosure, ''))
  }

  #later(fn: () => void): void {
    if (this.#latencyMs === 0) this.#clock.defer(fn)
    else this.#clock.setTimer(this.#latencyMs, fn)
  }

  #deliver(): void {
    while (this.#inbox.length > 0 && !this.#isPaused && !this.#isClosed) {
      const message = this.#inbox.shift()!
      this.#inboxBytes -= message.length
      if (!this.#isClosing) this.onMessage(message)
      this.#peer!.#maybeDrain()
    }
    if (this.#inbox.length === 0) for (const fn of this.#waiters.splice(0)) fn()
  }

  readonly #waiters: Array<() => void> = []

  #afterInbox(fn: () => void): void {
    if (this.#inbox.length === 0 || this.#isClosing) fn()
    else this.#waiters.push(fn)
  }

  #maybeDrain(): void {
    if (!this.#wasAboveHigh || this.bufferedBytes > bufferMarks.lowBytes || this.#isClosed) return
    this.#wasAboveHigh = false
    this.onDrain()
  }

  #finish(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosing = this.#isClosed = true
    this.#inbox.length = 0
    this.onClose(code, reason)
  }
}

/** A place where sockets meet by URL. */
export interface MemoryNetwork {
  readonly socketFactory: SocketFactory
  /** Connections to `url` are handed to `accept`. Returns what stops it. */
  listen(url: string, accept: (socket: Socket) => void): () => void
}

export function memoryNetwork(clock: Clock, options: MemorySocketOptions = {}): MemoryNetwork {
  const listeners = new Map<string, (socket: Socket) => void>()
  return {
    socketFactory: {
      connect: url =>
        new Promise((resolve, reject) => {
          clock.defer(() => {
            const accept = listeners.get(url)
            if (accept === undefined) {
              reject(new ApiError('NETWORK_EXCEPTION', `Nothing listens at ${url}.`))
              return
            }
            const [client, server] = memorySocketPair(clock, options)
            accept(server)
            resolve(client)
          })
        }),
    },
    listen(url, accept) {
      listeners.set(url, accept)
      return () => {
        listeners.delete(url)
      }
    },
  }
}
