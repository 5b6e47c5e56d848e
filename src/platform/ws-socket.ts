/**
 * A `ws` WebSocket as the transport's `Socket`.
 *
 * Sending: the TCP socket is corked at the first message of a turn and uncorked at the end of it, so that all messages
 * of the turn leave in one system call. The frames around messages are written here, in the order of those `ws` sends of its
 * own: it writes at once what it is given, as nothing is compressed, and messages are never fragments.
 *
 * Receiving: what `LargeFrames` read is memory of its own. Of the rest a message within one read of the TCP socket is a view of the buffer
 * that read allocated (at most 64 KiB, shrunk to what was read, never reused); one that spans reads is a copy of its
 * own, except below 4 KiB where it may be a slice of Node's 8 KiB pool. So a view pins at most 64 KiB, as a rule what
 * arrived together with it; who keeps a small one for long copies it.
 */
import type { Socket as TcpSocket } from 'node:net'
import type WebSocket from 'ws'
import { bufferMarks, closeCode, type Socket } from '../transport/socket.ts'
import { concatBytes, sizeOfParts } from '../util/bytes.ts'
import { KiB } from '../util/units.ts'

/** Of the frames that leave: a server's have none, a client's one (RFC 6455, section 5.3). */
export type FrameMask = 'none' | 'zero' | 'random'

const sendOptions = { binary: true, compress: false, fin: true } as const

export class WsSocket implements Socket {
  readonly remote: string
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  readonly #ws: WebSocket
  readonly #tcp: TcpSocket
  readonly #mask: FrameMask
  readonly #uncork = (): void => {
    this.#isCorked = false
    this.#tcp.uncork()
  }
  #isCorked = false
  #isClosing = false
  #isPaused = false
  #wasAboveHigh = false
  #bytesReadAtPing = -1
  #unansweredPings = 0

  constructor(ws: WebSocket, tcp: TcpSocket, mask: FrameMask) {
    this.#ws = ws
    this.#tcp = tcp
    this.#mask = mask
    this.remote = `${tcp.remoteAddress ?? 'unknown'}:${tcp.remotePort ?? 0}`
    ws.on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary))
    // Without a listener an error of one connection ends the process; `close` follows and says what matters.
    ws.on('error', () => {})
    ws.on('close', (code, reason) => this.onClose(code, reason.toString()))
    tcp.on('error', () => {})
    tcp.on('drain', () => this.#maybeDrain())
  }

  /**
   * What the stream holds, less the part of the write under way that the kernel has taken: the stream itself only counts
   * whole writes down, and then a reader of one large message would look as if it took nothing.
   */
  get bufferedBytes(): number {
    const buffered = this.#tcp.writableLength
    return buffered > bufferMarks.lowBytes ? buffered - takenByKernel(this.#tcp) : buffered
  }

  send(message: Uint8Array): void {
    if (!this.#isOpen()) return
    this.#cork()
    if (this.#mask === 'random') this.#ws.send(message, sendOptions)
    else if (message.length <= joinedBytesMax) this.#tcp.write(smallFrame(message, this.#mask))
    else {
      this.#tcp.write(frameHead(message.length, this.#mask))
      this.#tcp.write(message)
    }
    this.#onWritten()
  }

  /** `ws` takes a message in one piece. A random mask changes every byte: then there is a copy anyway. */
  sendParts(parts: readonly Uint8Array[]): void {
    if (this.#mask === 'random') {
      this.send(concatBytes(parts))
      return
    }
    if (!this.#isOpen()) return
    this.#cork()
    this.#tcp.write(frameHead(sizeOfParts(parts), this.#mask))
    for (const part of parts) this.#tcp.write(part)
    this.#onWritten()
  }

  #isOpen(): boolean {
    return !this.#isClosing && this.#ws.readyState === this.#ws.OPEN
  }

  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#tcp.cork()
    process.nextTick(this.#uncork)
  }

  flush(): void {
    if (this.#isCorked) this.#uncork()
  }

  #onWritten(): void {
    // This much is worth a system call of its own; and until it is made, nobody knows what the kernel would take.
    if (this.#tcp.writableLength > bufferMarks.lowBytes) this.#uncork()
    if (this.#tcp.writableLength > bufferMarks.highBytes) this.#wasAboveHigh = true
  }

  pause(): void {
    this.#isPaused = true
    this.#ws.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#ws.resume()
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#ws.close(code, reason)
    // The other end's close frame has to be read; whatever comes before it is dropped.
    this.resume()
  }

  terminate(): void {
    this.#isClosing = true
    this.#ws.terminate()
  }

  /**
   * Called at intervals: pings an end that has been silent since the last call, and gives it up when it stays so. One
   * that we do not read, or that has megabytes of ours to read first, cannot answer and is left to its own timeout.
   */
  keepAlive(): void {
    if (this.#isClosing || this.#isPaused || this.#tcp.writableLength > bufferMarks.highBytes) {
      this.#bytesReadAtPing = -1
      return
    }
    const { bytesRead } = this.#tcp
    if (bytesRead !== this.#bytesReadAtPing) {
      this.#bytesReadAtPing = bytesRead
      this.#unansweredPings = 0
    } else if (this.#unansweredPings++ === 0) {
      this.#ws.ping()
    } else {
      this.terminate()
    }
  }

  /** A message that was read past `ws`. */
  receive(message: Uint8Array): void {
    if (this.#isOpen()) this.onMessage(message)
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#isClosing) return
    if (isBinary) this.onMessage(data)
    else this.close(closeCode.unsupportedData, 'the protocol has binary messages only')
  }

  #maybeDrain(): void {
    if (!this.#wasAboveHigh || this.bufferedBytes > bufferMarks.lowBytes) return
    this.#wasAboveHigh = false
    this.onDrain()
  }
}

/** Up to this size a message is copied behind its frame's head: it costs less than another piece for the stream and the kernel. */
const joinedBytesMax = 2 * KiB
const headBytesMax = 14

function smallFrame(message: Uint8Array, mask: FrameMask): Uint8Array {
  const frame = Buffer.allocUnsafe(headBytesOf(message.length, mask) + message.length)
  frame.set(message, writeHead(frame, message.length, mask))
  return frame
}

function frameHead(sizeBytes: number, mask: FrameMask): Uint8Array {
  const head = Buffer.allocUnsafe(headBytesMax)
  return head.subarray(0, writeHead(head, sizeBytes, mask))
}

function headBytesOf(sizeBytes: number, mask: FrameMask): number {
  return 2 + (sizeBytes < 126 ? 0 : sizeBytes <= 0xffff ? 2 : 8) + (mask === 'none' ? 0 : 4)
}

/** The head of a frame that is a whole binary message (RFC 6455, section 5.2); a mask in it is all zeros. Returns where it ends. */
function writeHead(into: Buffer, sizeBytes: number, mask: FrameMask): number {
  const maskBit = mask === 'none' ? 0 : 0x80
  into[0] = 0x82
  let at = 2
  if (sizeBytes < 126) into[1] = maskBit | sizeBytes
  else if (sizeBytes <= 0xffff) {
    into[1] = maskBit | 126
    at = into.writeUInt16BE(sizeBytes, at)
  } else {
    into[1] = maskBit | 127
    at = into.writeUInt32BE(Math.floor(sizeBytes / 2 ** 32), at)
    at = into.writeUInt32BE(sizeBytes % 2 ** 32, at)
  }
  if (mask !== 'none') at = into.writeUInt32BE(0, at)
  return at
}

/** Not public in Node, therefore read with care: without them the figure is merely coarser. */
interface TcpInternals {
  readonly _writableState?: { readonly writelen?: unknown; readonly writing?: unknown }
  readonly _handle?: { readonly writeQueueSize?: unknown } | null
}

function takenByKernel(tcp: TcpSocket): number {
  const { _writableState: state, _handle: handle } = tcp as unknown as TcpInternals
  if (state?.writing !== true || typeof state.writelen !== 'number' || typeof handle?.writeQueueSize !== 'number')
    return 0
  return Math.max(0, state.writelen - handle.writeQueueSize)
}
