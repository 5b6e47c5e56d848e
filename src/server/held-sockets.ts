/**
 * Sockets that arrive while the node is still opening its data: the port is taken and `/livez` answers from the start,
 * but nobody can be served yet. They are paused and handed over, in the order they came, when the node is ready.
 */
import type { Socket } from '../transport/socket.ts'
import { closeCode } from '../transport/socket.ts'

export interface ServedSocket {
  readonly isEstablished: boolean
}

export class HeldSockets {
  #accept: ((socket: Socket) => ServedSocket) | null = null
  readonly #held = new Set<{ readonly socket: Socket; served: ServedSocket | null }>()

  /** For the port: takes a socket over at once. */
  accept(socket: Socket): ServedSocket {
    if (this.#accept !== null) return this.#accept(socket)
    const held: { readonly socket: Socket; served: ServedSocket | null } = { socket, served: null }
    this.#held.add(held)
    socket.pause()
    socket.onClose = () => this.#held.delete(held)
    return {
      get isEstablished() {
        return held.served?.isEstablished ?? false
      },
    }
  }

  /** From now on sockets go to `accept`, those that were held first. */
  release(accept: (socket: Socket) => ServedSocket): void {
    this.#accept = accept
    for (const held of this.#held) {
      held.served = accept(held.socket)
      held.socket.resume()
    }
    this.#held.clear()
  }

  /** The start failed or the node stops. */
  close(): void {
    for (const { socket } of this.#held) socket.close(closeCode.goingAway, 'the node is not serving')
    this.#held.clear()
  }
}
