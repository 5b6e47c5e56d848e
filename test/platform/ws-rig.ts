/** A server on a loopback port, and peers that speak to it through `ws`, through TCP, or through our own client. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket as TcpSocket } from 'node:net'
import WebSocket from 'ws'
import { systemClock } from '../../src/platform/clock.ts'
import { type AccessRules, createAccessCheck } from '../../src/platform/http-access.ts'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { openWsServer, type WsServer, type WsServerOptions } from '../../src/platform/ws-server.ts'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { encodeRequest } from '../../src/protocol/frame.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import type { Connection } from '../../src/transport/connection.ts'
import type { TransportLimits } from '../../src/transport/limits.ts'
import { type Listener, openListener } from '../../src/transport/listener.ts'
import { subprotocol } from '../../src/transport/socket.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { MiB } from '../../src/util/units.ts'
import { clientOptions, type Parked, testHandlers } from '../transport/support.ts'

export interface WsRig {
  readonly server: WsServer
  readonly listener: Listener
  readonly parked: Parked[]
  readonly url: string
  connect(): Promise<Connection>
  /** A bare `ws` client that has done the WebSocket handshake. */
  ws(options?: WebSocket.ClientOptions): Promise<WebSocket>
  tcp(): Promise<TcpSocket>
  /** Sends a raw HTTP request and returns the whole answer. */
  http(request: string): Promise<string>
  close(): Promise<void>
}

export interface WsRigOptions extends Partial<WsServerOptions> {
  readonly rules?: Partial<AccessRules>
  readonly limits?: Partial<TransportLimits>
}

export async function wsRig({ rules, limits, ...options }: WsRigOptions = {}): Promise<WsRig> {
  const parked: Parked[] = []
  const listener = openListener({
    name: 'TEST',
    handlers: testHandlers(parked),
    identity: () => ({ clusterId: 'c', nodeId: 1, software: 'test' }),
    clock: systemClock,
    ...(limits === undefined ? {} : { limits }),
  })
  const server = await openWsServer({
    host: '127.0.0.1',
    port: 0,
    access: createAccessCheck({ ownHosts: [], allowedHosts: [], allowedOrigins: [], ...rules }),
    messageBytesMax: 64 * MiB,
    connectionsMax: 2_000,
    connectionsPerIpMax: 2_000,
    onSocket: socket => listener.accept(socket),
    logger: silentLogger,
    ...options,
  })
  const url = `ws://127.0.0.1:${server.port}`
  const tcp = async (): Promise<TcpSocket> => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  return {
    server,
    listener,
    parked,
    url,
    connect: () =>
      openConnection(url, {
        ...clientOptions(systemClock),
        socketFactory: wsSocketFactory(),
        inFlightBytesMax: 64 * MiB,
      }),
    async ws(wsOptions = {}) {
      const ws = new WebSocket(url, subprotocol, wsOptions)
      ws.on('error', () => {})
      await once(ws, 'open')
      return ws
    },
    tcp,
    async http(request) {
      const socket = await tcp()
      const chunks: Buffer[] = []
      socket.on('data', chunk => chunks.push(chunk))
      socket.write(request)
      await once(socket, 'close')
      return Buffer.concat(chunks).toString()
    },
    async close() {
      await listener.close(100)
      await server.close()
    },
  }
}

export const hello = encodeRequest(apiVersions, 0, 1, { clientId: 'test', software: 'test' })

/** The head of a well-formed upgrade, to be taken apart by the tests. */
export function upgradeHead(changes: Record<string, string | null> = {}): string {
  const headers: Record<string, string | null> = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': subprotocol,
    ...changes,
  }
  const lines = Object.entries(headers).filter(([, value]) => value !== null)
  return `GET / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** One frame: by default a client's, with a zero mask. */
export function wsFrame(opcode: number, payload: Uint8Array, isFinal = true, isMasked = true): Buffer {
  const head = [(isFinal ? 0x80 : 0) | opcode]
  const mask = isMasked ? 0x80 : 0
  if (payload.length < 126) head.push(mask | payload.length)
  else if (payload.length < 65_536) head.push(mask | 126, payload.length >> 8, payload.length & 0xff)
  else head.push(mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map(shift => (payload.length >>> shift) & 0xff))
  return Buffer.concat([Buffer.from(head), new Uint8Array(isMasked ? 4 : 0), payload])
}

/** A TCP socket that has been upgraded, and that no WebSocket implementation looks after. */
export async function upgradedTcp(rig: WsRig): Promise<TcpSocket> {
  const socket = await rig.tcp()
  socket.write(upgradeHead())
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1.1 101 /)
  return socket
}

export async function closeOf(ws: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = (await once(ws, 'close')) as [number, Buffer]
  return { code, reason: reason.toString() }
}

const untilMsMax = 30_000

/** Waits for a condition, not for a time; one that does not come fails the test instead of hanging it. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + untilMsMax
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`what was waited for did not happen: ${condition}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}
