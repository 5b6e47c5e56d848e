/** A wire with a length: everything on connections made here takes `delayMs` in each direction, in order. */
import type { Socket, SocketFactory } from '../transport/socket.ts'

export function delayedSockets(factory: SocketFactory, delayMs: number): SocketFactory {
  return { connect: async (url, options) => new DelayedSocket(await factory.connect(url, options), delayMs) }
}

class DelayedSocket implements Socket {
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  readonly #socket: Socket
  readonly #delayMs: number
  #isClosed = false

  constructor(socket: Socket, delayMs: number) {
    this.#socket = socket
    this.#delayMs = delayMs
    socket.onMessage = message => this.#later(() => this.onMessage(message))
    socket.onDrain = () => this.onDrain()
    socket.onClose = (code, reason) => {
      this.#isClosed = true
      this.onClose(code, reason)
    }
  }

  get remote(): string {
    return this.#socket.remote
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes
  }

  send(message: Uint8Array): void {
    this.#later(() => this.#socket.send(message))
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(code: number, reason: string): void {
    this.#isClosed = true
    this.#socket.close(code, reason)
  }

  terminate(): void {
    this.#isClosed = true
    this.#socket.terminate()
  }

  /** Timers of one delay fire in the order in which they were set. */
  #later(carry: () => void): void {
    setTimeout(() => {
      if (!this.#isClosed) carry()
    }, this.#delayMs)
  }
}
