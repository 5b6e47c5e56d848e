/**
 * The transport beside bare `ws`: a request of N bytes is answered with a few of them, over loopback, one at a time or many in
 * flight, both ends in one process. The bare side sends and answers binary messages with ws's defaults and a zero mask, no
 * envelope, no checks; the transport's is `openConnection` and `openListener` over the platform's sockets.
 */
import { once } from 'node:events'
import WebSocket, { WebSocketServer } from 'ws'
import { systemClock } from '../../src/platform/clock.ts'
import { createAccessCheck } from '../../src/platform/http-access.ts'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { openWsServer } from '../../src/platform/ws-server.ts'
import { defineApi } from '../../src/protocol/api.ts'
import { bytes, field, struct } from '../../src/protocol/schema.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import { defineHandler } from '../../src/transport/handler.ts'
import { openListener } from '../../src/transport/listener.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { type Case, keep, type Prepared, type Room, type Work } from './case.ts'

const roundTripsPerLane = 4
const answerBytes = 16

export const room: Room = {
  name: 'transport',
  cases: [
    requesting('request, 100 B, 1 in flight', 100, 1),
    requesting('request, 100 B, 256 in flight', 100, 256),
    requesting('request, 64 KiB, 16 in flight', 64 * KiB, 16),
    requesting('request, 1 MiB, 4 in flight', MiB, 4),
  ],
}

const data = field(bytes({ lengthMax: 64 * MiB }), 'Anything.')
const echo = defineApi({
  key: 2_000,
  name: 'Echo',
  versions: [0, 0],
  doc: 'Answers with the first bytes of what it got.',
  request: struct({ data }),
  response: struct({ data }),
})

interface Pipe {
  /** Resolves when the answer is there. */
  send(message: Uint8Array): Promise<unknown>
  close(): Promise<void>
}

function requesting(name: string, sizeBytes: number, inFlight: number): Case {
  const prepare = async (): Promise<Prepared> => {
    const [pipe, bare] = await Promise.all([openTransport(), openBare()])
    const message = new Uint8Array(sizeBytes).fill(7)
    return {
      run: roundTrips(pipe, message, inFlight),
      reference: { name: 'the same through bare ws', run: roundTrips(bare, message, inFlight) },
      bytes: sizeBytes,
      close: async () => {
        await pipe.close()
        await bare.close()
      },
    }
  }
  return { name, operation: 'a request', clock: 'cpu', prepare }
}

function roundTrips(pipe: Pipe, message: Uint8Array, inFlight: number): Work {
  const lane = async (): Promise<void> => {
    for (let trip = 0; trip < roundTripsPerLane; trip++) keep(await pipe.send(message))
  }
  return async () => {
    await Promise.all(Array.from({ length: inFlight }, lane))
    return inFlight * roundTripsPerLane
  }
}

async function openBare(): Promise<Pipe> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 128 * MiB })
  server.on('connection', ws => {
    ws.on('message', message => ws.send((message as Buffer).subarray(0, answerBytes)))
  })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const mask = { perMessageDeflate: false, generateMask: (bytes: Buffer) => void bytes.fill(0) }
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, mask)
  await once(ws, 'open')
  const waiting: Array<(answer: unknown) => void> = []
  ws.on('message', answer => waiting.shift()!(answer))
  return {
    send: message =>
      new Promise(resolve => {
        waiting.push(resolve)
        ws.send(message)
      }),
    close: () => {
      ws.terminate()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}

async function openTransport(): Promise<Pipe> {
  const listener = openListener({
    name: 'BENCH',
    handlers: [defineHandler(echo, request => ({ data: request.data.subarray(0, answerBytes) }))],
    identity: () => ({ clusterId: 'bench', nodeId: 1, software: 'bench' }),
    clock: systemClock,
  })
  const server = await openWsServer({
    host: '127.0.0.1',
    port: 0,
    access: createAccessCheck({ ownHosts: [], allowedHosts: [], allowedOrigins: [] }),
    messageBytesMax: 128 * MiB,
    connectionsMax: 100,
    connectionsPerIpMax: 100,
    onSocket: socket => listener.accept(socket),
    logger: silentLogger,
  })
  const connection = await openConnection(`ws://127.0.0.1:${server.port}`, {
    socketFactory: wsSocketFactory(),
    clock: systemClock,
    clientId: 'bench',
    software: 'bench',
    connectTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    inFlightBytesMax: 256 * MiB,
  })
  return {
    send: message => connection.request(echo, { data: message }),
    close: async () => {
      await connection[Symbol.asyncDispose]()
      await listener[Symbol.asyncDispose]()
      await server.close()
    },
  }
}
