/**
 * The one port for clients: HTTP requests go to `onRequest`, WebSocket upgrades become sockets. Everything that costs
 * memory before a peer has said who it is has a bound here: connections in all and per address, headers, time, and what
 * may be sent before the handshake is done. `Host` and `Origin` are checked before either kind gets anywhere.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { type Socket, subprotocol } from '../transport/socket.ts'
import type { Logger } from '../util/logger.ts'
import { KiB, secondMs } from '../util/units.ts'
import type { AccessCheck } from './http-access.ts'
import { chunksMax } from './ws-client.ts'
import { WsSocket } from './ws-socket.ts'

export interface WsServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly access: AccessCheck
  /** Largest message accepted, in bytes; a larger one closes with 1009 before it is received. */
  readonly messageBytesMax: number
  /** `max.connections`: TCP connections in all, HTTP among them. */
  readonly connectionsMax: number
  /** `max.connections.per.ip`. */
  readonly connectionsPerIpMax: number
  /** A WebSocket silent for this long is pinged, and given up after the same time again. Default 30 s. */
  readonly keepAliveMs?: number
  /** Plain HTTP requests that passed the access check. Without it they get 404. */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void
  /** Takes the socket over at once. `isEstablished` turning true lifts the bound on what may be sent before. */
  readonly onSocket: (socket: Socket) => { readonly isEstablished: boolean }
  readonly logger: Logger
}

export interface WsServer {
  readonly host: string
  readonly port: number
  readonly stats: WsServerStats
  /** Takes no more connections; those that exist stay. Idempotent. */
  stopAccepting(): void
  /** Ends what is left at once. Resolves when the port is free. Idempotent. */
  close(): Promise<void>
}

export interface WsServerStats {
  /** Level: open TCP connections. */
  tcpConnections: number
  /** Cumulative, by reason. */
  readonly refused: { connections: number; access: number; upgrade: number; http: number; floods: number }
}

/** More headers than this are refused: Node silently drops what is above its own limit, `Origin` perhaps among it. */
const headersMax = 64
const headerBytesMax = 16 * KiB
/** Three messages of 16 KiB, the frames around them, and one read that may bring more behind `ApiVersions`. */
const bytesBeforeHandshakeMax = 128 * KiB

/** Rejects when the port cannot be had (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`). */
export async function openWsServer(options: WsServerOptions): Promise<WsServer> {
  const server = new OpenWsServer(options)
  await server.listen()
  return server
}

class OpenWsServer implements WsServer {
  readonly stats: WsServerStats = {
    tcpConnections: 0,
    refused: { connections: 0, access: 0, upgrade: 0, http: 0, floods: 0 },
  }
  readonly #options: WsServerOptions
  readonly #http: Server
  readonly #upgrader: WebSocketServer
  readonly #sockets = new Set<WsSocket>()
  readonly #tcpSockets = new Set<TcpSocket>()
  readonly #connectionsByIp = new Map<string, number>()
  #keepAlive: NodeJS.Timeout | null = null
  #closing: Promise<void> | null = null

  constructor(options: WsServerOptions) {
    this.#options = options
    this.#http = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: 10 * secondMs,
      requestTimeout: 30 * secondMs,
      // Node looks for requests past their timeout only this often; its default is 30 s.
      connectionsCheckingInterval: 2 * secondMs,
      keepAliveTimeout: 5 * secondMs,
      noDelay: true,
    })
    this.#http.maxHeadersCount = headersMax + 1
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.messageBytesMax,
      // Browsers split large messages; nobody needs this many pieces. (CVE-2026-48779)
      maxFragments: 256,
      maxBufferedChunks: chunksMax(options.messageBytesMax),
      maxPendingAutoPongs: 8,
      closeTimeout: 5 * secondMs,
      handleProtocols: protocols => (protocols.has(subprotocol) ? subprotocol : false),
    } as ConstructorParameters<typeof WebSocketServer>[0])
    this.#http.on('connection', socket => this.#onConnection(socket))
    this.#http.on('request', (request, response) => this.#onRequest(request, response))
    this.#http.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as TcpSocket, head))
    this.#http.on('clientError', (error, socket) => this.#onClientError(error, socket))
    this.#upgrader.on('wsClientError', (_error, socket) => this.#refuseUpgrade(socket, 400, 'Bad Request'))
  }

  get host(): string {
    return (this.#http.address() as AddressInfo).address
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port
  }

  async listen(): Promise<void> {
    const { host, port, logger, keepAliveMs = 30 * secondMs } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject)
      this.#http.listen({ host, port }, () => {
        this.#http.off('error', reject)
        resolve()
      })
    })
    this.#http.on('error', error => logger.error({ err: error }, 'the listener met an error'))
    this.#keepAlive = setInterval(() => {
      for (const socket of [...this.#sockets]) socket.keepAlive()
    }, keepAliveMs)
    this.#keepAlive.unref()
  }

  stopAccepting(): void {
    this.#http.close()
  }

  close(): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      if (this.#keepAlive !== null) clearInterval(this.#keepAlive)
      // `close` may have been called by `stopAccepting`: then it reports an error, and what counts is the last socket.
      this.#http.close()
      for (const socket of this.#tcpSockets) socket.destroy()
      this.#http.closeAllConnections()
      const wait = (): void => {
        if (this.#tcpSockets.size === 0) resolve()
        else setImmediate(wait)
      }
      wait()
    })
    return this.#closing
  }

  #onConnection(socket: TcpSocket): void {
    // Whatever becomes of it, its errors must have a listener at every moment (FAULTS 48).
    socket.on('error', () => {})
    const { connectionsMax, connectionsPerIpMax } = this.#options
    const ip = socket.remoteAddress ?? ''
    const fromIp = (this.#connectionsByIp.get(ip) ?? 0) + 1
    if (this.#tcpSockets.size >= connectionsMax || fromIp > connectionsPerIpMax) {
      this.stats.refused.connections++
      socket.destroy()
      return
    }
    this.#connectionsByIp.set(ip, fromIp)
    this.#tcpSockets.add(socket)
    this.stats.tcpConnections++
    socket.on('close', () => {
      this.#tcpSockets.delete(socket)
      this.stats.tcpConnections--
      const left = this.#connectionsByIp.get(ip)! - 1
      if (left === 0) this.#connectionsByIp.delete(ip)
      else this.#connectionsByIp.set(ip, left)
    })
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => {})
    response.on('error', () => {})
    const refusal = this.#check(request)
    if (refusal !== null) answerJson(response, refusal.status, refusal.error)
    else if (this.#options.onRequest === undefined) answerJson(response, 404, 'There is nothing here.')
    else this.#options.onRequest(request, response)
  }

  #check(request: IncomingMessage): { status: number; error: string } | null {
    if (request.rawHeaders.length / 2 > headersMax) return { status: 431, error: 'Too many headers.' }
    const refusal = this.#options.access(request.headers)
    if (refusal === null) return null
    this.stats.refused.access++
    const { host, origin } = request.headers
    this.#options.logger.debug({ remote: request.socket.remoteAddress, host, origin }, refusal.error)
    return refusal
  }

  #onUpgrade(request: IncomingMessage, tcp: TcpSocket, head: Buffer): void {
    const refusal = this.#check(request) ?? upgradeRefusal(request)
    if (refusal !== null) {
      this.#refuseUpgrade(tcp, refusal.status, refusal.error)
      return
    }
    this.#upgrader.handleUpgrade(request, tcp, head, ws => {
      const socket = new WsSocket(ws, tcp, 'none')
      this.#sockets.add(socket)
      ws.on('close', () => this.#sockets.delete(socket))
      const connection = this.#options.onSocket(socket)
      this.#boundHandshake(connection, socket, tcp)
    })
  }

  /** `ws` would assemble a message of the full size for anyone: until a peer has introduced itself, count its bytes. */
  #boundHandshake(connection: { readonly isEstablished: boolean }, socket: WsSocket, tcp: TcpSocket): void {
    let bytes = 0
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (connection.isEstablished) {
        tcp.off('data', onData)
      } else if (bytes > bytesBeforeHandshakeMax) {
        this.stats.refused.floods++
        socket.terminate()
      }
    }
    tcp.on('data', onData)
  }

  #refuseUpgrade(socket: Duplex, status: number, error: string): void {
    this.stats.refused.upgrade++
    endRaw(socket, status, error)
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    this.stats.refused.http++
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
    endRaw(socket, status, 'The request was not understood.')
  }
}

function upgradeRefusal({ headers, url }: IncomingMessage): { status: number; error: string } | null {
  if (url?.split('?', 1)[0] !== '/') return { status: 404, error: 'The protocol is served at /.' }
  // Older drafts carry the origin in another header and are spoken by nobody.
  if (headers['sec-websocket-version'] !== '13') return { status: 400, error: 'Only WebSocket version 13 is spoken.' }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').some(name => name.trim() === subprotocol)
  return offered ? null : { status: 400, error: `Only the subprotocol ${subprotocol} is spoken.` }
}

function answerJson(response: ServerResponse, status: number, error: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(`${JSON.stringify({ error })}\n`)
}

/** Answers on a socket that has no `ServerResponse`, and makes sure that it goes away. */
function endRaw(socket: Duplex, status: number, error: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = `${JSON.stringify({ error })}\n`
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Refused'}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}
