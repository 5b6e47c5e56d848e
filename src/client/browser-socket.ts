/**
 * The browser's `WebSocket` as the transport's `Socket`. A browser reads on its own: `pause` holds messages back here,
 * which does not reach the other end; what bounds them is that the client asks for records only when it has room. Nor
 * does a browser say when its buffer empties: that is looked at on a timer while it is full.
 */
import { ApiError } from '../protocol/errors.ts'
import { bufferMarks, type Socket, type SocketFactory, subprotocol } from '../transport/socket.ts'
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'

const drainCheckMs = 5

/** Sockets of a page or a worker. */
export function browserSocketFactory(clock: Clock): SocketFactory {
  return {
    connect: (url, { timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(new AbortError('connecting was given up', { cause: signal.reason }))
          return
        }
        let socket: WebSocket
        try {
          socket = new WebSocket(url, subprotocol)
        } catch (cause) {
          reject(new ApiError('NETWORK_EXCEPTION', `${url} is no WebSocket URL`, { cause }))
          return
        }
        socket.binaryType = 'arraybuffer'
        const giveUp = (error: Error): void => {
          settled()
          socket.onopen = null
          socket.onclose = null
          socket.close()
          reject(error)
        }
        const onAbort = (): void => giveUp(new AbortError('connecting was given up', { cause: signal?.reason }))
        const timer = clock.setTimer(timeoutMs, () => {
          giveUp(new ApiError('NETWORK_EXCEPTION', `${url}: no answer within ${timeoutMs} ms`))
        })
        const settled = (): void => {
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        socket.onopen = () => {
          settled()
          resolve(new BrowserSocket(socket, url, clock))
        }
        // A browser does not tell a page why: refused, blocked, or not a WebSocket server.
        socket.onclose = () => giveUp(new ApiError('NETWORK_EXCEPTION', `${url}: the connection could not be opened`))
      }),
  }
}

class BrowserSocket implements Socket {
  readonly remote: string
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  readonly #socket: WebSocket
  readonly #clock: Clock
  #isPaused = false
  #isOver = false
  #held: Uint8Array[] = []
  #drainTimer: Timer | null = null

  constructor(socket: WebSocket, url: string, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    this.remote = url
    socket.onmessage = event => {
      // Text is not part of the protocol; whoever sends it is not a node.
      if (!(event.data instanceof ArrayBuffer)) this.close(1000, 'binary messages only')
      else if (this.#isPaused) this.#held.push(new Uint8Array(event.data))
      else this.onMessage(new Uint8Array(event.data))
    }
    socket.onclose = event => this.#end(event.code, event.reason)
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  send(message: Uint8Array): void {
    this.#socket.send(message as Uint8Array<ArrayBuffer>)
    if (this.bufferedBytes > bufferMarks.highBytes) this.#watchDrain()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    const held = this.#held
    this.#held = []
    for (const message of held) this.onMessage(message)
  }

  close(code: number, reason: string): void {
    // A page may close with 1000 and 3000 to 4999 only.
    const isAllowed = code === 1000 || code >= 3000
    this.#socket.close(isAllowed ? code : 1000, reason)
  }

  terminate(): void {
    this.#socket.close()
    this.#end(1006, 'terminated')
  }

  #watchDrain(): void {
    this.#drainTimer ??= this.#clock.setTimer(drainCheckMs, () => {
      this.#drainTimer = null
      if (this.#isOver) return
      if (this.bufferedBytes > bufferMarks.lowBytes) this.#watchDrain()
      else this.onDrain()
    })
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#drainTimer?.cancel()
    this.onClose(code, reason)
  }
}
