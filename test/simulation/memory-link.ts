/**
 * A pair of sockets in one process. Messages arrive one event of the clock later, in order, as copies (a log keeps and
 * patches the bytes it was given); after `cut` nothing arrives any more on either side, as when the machine lost power.
 */
import type { Socket, SocketFactory } from '../../src/transport/socket.ts'
import type { Clock } from '../../src/util/clock.ts'

export interface Link {
  readonly sockets: SocketFactory
  cut(): void
}

/** Dialling hands the other end to `accept`. `mayDeliver` is asked before every delivery. */
export function memoryLink(clock: Clock, accept: (socket: Socket) => void, mayDeliver: () => boolean): Link {
  let isCut = false
  const carries = (): boolean => !isCut && mayDeliver()
  return {
    sockets: {
      async connect() {
        const [near, far] = [new MemorySocket(clock, carries), new MemorySocket(clock, carries)]
        near.peer = far
        far.peer = near
        accept(far)
        return near
      },
    },
    cut() {
      isCut = true
    },
  }
}

class MemorySocket implements Socket {
  readonly remote = 'memory'
  readonly bufferedBytes = 0
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  peer: MemorySocket | null = null
  readonly #clock: Clock
  readonly #carries: () => boolean
  readonly #arrived: Uint8Array[] = []
  #isPaused = false
  #isClosed = false

  constructor(clock: Clock, carries: () => boolean) {
    this.#clock = clock
    this.#carries = carries
  }

  send(message: Uint8Array): void {
    const copy = message.slice()
    this.#clock.defer(() => {
      if (this.#carries()) this.peer?.deliver(copy)
    })
  }

  deliver(message: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#isPaused) this.#arrived.push(message)
    else this.onMessage(message)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    while (!this.#isPaused && this.#arrived.length > 0) this.onMessage(this.#arrived.shift()!)
  }

  close(code: number, reason: string): void {
    this.#clock.defer(() => {
      if (!this.#carries()) return
      this.peer?.closed(code, reason)
      this.closed(code, reason)
    })
  }

  terminate(): void {
    this.close(1006, '')
  }

  closed(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.onClose(code, reason)
  }
}
