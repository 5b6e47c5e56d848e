/** Sockets of a client in Node, through `ws`. */
import type { connect, NetConnectOpts, Socket as TcpSocket } from 'node:net'
import WebSocket from 'ws'
import { ApiError } from '../protocol/errors.ts'
import { type SocketFactory, subprotocol } from '../transport/socket.ts'
import { AbortError } from '../util/errors.ts'
import { KiB, MiB, secondMs } from '../util/units.ts'
import { LargeFrames } from './large-frames.ts'
import { type FrameMask, WsSocket } from './ws-socket.ts'

export interface WsClientOptions {
  /** Largest message accepted. Default 128 MiB: above any answer of a node. */
  readonly messageBytesMax?: number
  /**
   * Send frames with an all-zero mask: neither end then spends time on XOR, and the sender does not copy the message.
   * RFC 6455 section 5.3 wants masks unpredictable, to protect proxies between a browser and a server from being fed
   * bytes of an attacker's choice; so only where nothing of the kind can stand between the two ends: on loopback, and
   * between the nodes of a cluster. Default `loopback`.
   */
  readonly zeroMask?: 'always' | 'loopback' | 'never'
}

export function wsSocketFactory(options: WsClientOptions = {}): SocketFactory {
  const messageBytesMax = options.messageBytesMax ?? 128 * MiB
  const zeroMask = options.zeroMask ?? 'loopback'
  return {
    connect: (url, { timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(new AbortError('connecting was given up', { cause: signal.reason }))
          return
        }
        let ws: WebSocket
        let mask: FrameMask = 'random'
        // What TLS decrypts comes from no kernel.
        const large = /^ws:/i.test(url) ? new LargeFrames(messageBytesMax) : null
        try {
          if (zeroMask === 'always' || (zeroMask === 'loopback' && isLoopbackUrl(url))) mask = 'zero'
          ws = new WebSocket(url, subprotocol, {
            perMessageDeflate: false,
            followRedirects: false,
            handshakeTimeout: timeoutMs,
            closeTimeout: 5 * secondMs,
            maxPayload: messageBytesMax,
            maxFragments: 256,
            maxBufferedChunks: chunksMax(messageBytesMax),
            maxPendingAutoPongs: 8,
            ...(large === null
              ? {}
              : { createConnection: ((to: NetConnectOpts) => large.connect(to)) as typeof connect }),
            ...(mask === 'zero' ? { generateMask: (bytes: Buffer) => bytes.fill(0) } : {}),
          } as WebSocket.ClientOptions)
        } catch (error) {
          reject(new ApiError('NETWORK_EXCEPTION', `${url} is no WebSocket URL: ${(error as Error).message}`))
          return
        }
        open(ws, mask, large, url, signal, resolve, reject)
      }),
  }
}

function open(
  ws: WebSocket,
  mask: FrameMask,
  large: LargeFrames | null,
  url: string,
  signal: AbortSignal | undefined,
  resolve: (socket: WsSocket) => void,
  reject: (error: Error) => void,
): void {
  let tcp: TcpSocket | null = null
  const onAbort = (): void => {
    reject(new AbortError('connecting was given up', { cause: signal?.reason }))
    ws.terminate()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  ws.on('upgrade', response => {
    tcp = response.socket
  })
  ws.once('open', () => {
    signal?.removeEventListener('abort', onAbort)
    const socket = new WsSocket(ws, tcp!, mask)
    if (large !== null) {
      large.onMessage = message => socket.receive(message)
      large.begin()
    }
    resolve(socket)
  })
  ws.on('error', error => {
    signal?.removeEventListener('abort', onAbort)
    reject(new ApiError('NETWORK_EXCEPTION', `Cannot connect to ${url}: ${describe(error)}.`, { cause: error }))
  })
}

/** A refused connection to a name with two addresses is an `AggregateError` without a message. */
function describe(error: Error & { code?: string; errors?: Error[] }): string {
  return error.message || error.errors?.[0]?.message || error.code || 'unknown error'
}

/**
 * The pieces a message may arrive in before `ws` gives up. Each costs some 200 bytes beside its content; a TCP segment
 * carries at least 1 KiB of a large message, so this never hits an honest sender.
 */
export function chunksMax(messageBytesMax: number): number {
  return Math.max(4_096, Math.ceil(messageBytesMax / KiB))
}

function isLoopbackUrl(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
