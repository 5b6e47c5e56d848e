/**
 * The transport against bare `ws`, in the same run, two processes over loopback: a request of N bytes is answered with a
 * few, one at a time or many in flight. Prints requests/s, MB/s and p50.
 *
 *   node --import tsx bench/micro/transport.bench.ts [seconds per case, default 2]
 *
 * The bare side sends and counts binary messages with ws's defaults and a zero mask, no envelope, no checks. The
 * transport's side is `openConnection` and `openListener` over the platform's sockets, handler answering at once.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
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
  close(): void
}

const isServer = process.argv[2] === '--server'
if (isServer) await serve(process.argv[3]!)
else await measureAll(Number(process.argv[2] ?? 2) * 1000)

async function serve(kind: string): Promise<void> {
  const port = kind === 'bare' ? await serveBare() : await serveTransport()
  process.on('disconnect', () => process.exit())
  process.send!(port)
}

async function serveBare(): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 128 * MiB })
  server.on('connection', ws => {
    ws.on('error', () => {})
    ws.on('message', message => ws.send((message as Buffer).subarray(0, 16)))
  })
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

async function serveTransport(): Promise<number> {
  const listener = openListener({
    name: 'BENCH',
    handlers: [defineHandler(echo, request => ({ data: request.data.subarray(0, 16) }))],
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
  return server.port
}

async function openBare(port: number): Promise<Pipe> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, {
    perMessageDeflate: false,
    generateMask: mask => mask.fill(0),
  })
  await once(ws, 'open')
  const waiting: Array<(answer: unknown) => void> = []
  ws.on('message', answer => waiting.shift()!(answer))
  return {
    send: message =>
      new Promise(resolve => {
        waiting.push(resolve)
        ws.send(message)
      }),
    close: () => ws.terminate(),
  }
}

async function openTransport(port: number): Promise<Pipe> {
  const connection = await openConnection(`ws://127.0.0.1:${port}`, {
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
    close: () => void connection[Symbol.asyncDispose](),
  }
}

async function measureAll(durationMs: number): Promise<void> {
  const cases = [
    { sizeBytes: 100, inFlight: 1 },
    { sizeBytes: 100, inFlight: 256 },
    { sizeBytes: 64 * KiB, inFlight: 16 },
    { sizeBytes: MiB, inFlight: 4 },
  ]
  const rows = []
  for (const { sizeBytes, inFlight } of cases) {
    for (const kind of ['bare', 'transport'] as const) {
      rows.push({ bytes: sizeBytes, inFlight, kind, ...(await measure(kind, sizeBytes, inFlight, durationMs)) })
    }
  }
  console.table(rows)
}

async function measure(kind: 'bare' | 'transport', sizeBytes: number, inFlight: number, durationMs: number) {
  const server = fork(fileURLToPath(import.meta.url), ['--server', kind], { execArgv: ['--import', 'tsx'] })
  const [port] = (await once(server, 'message')) as [number]
  const pipe = await (kind === 'bare' ? openBare(port) : openTransport(port))
  const message = new Uint8Array(sizeBytes).fill(7)
  let count = 0
  let latencies: number[] = []
  let isOver = false
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const from = performance.now()
      await pipe.send(message)
      latencies.push(performance.now() - from)
      count++
    }
  }
  const lanes = Array.from({ length: inFlight }, lane)
  await new Promise(resolve => setTimeout(resolve, durationMs / 4))
  const cpuFrom = process.cpuUsage()
  count = 0
  latencies = []
  const from = performance.now()
  await new Promise(resolve => setTimeout(resolve, durationMs))
  const seconds = (performance.now() - from) / 1000
  const answered = count
  const cpu = process.cpuUsage(cpuFrom)
  isOver = true
  await Promise.all(lanes)
  pipe.close()
  server.disconnect()
  await once(server, 'exit')
  latencies.sort((a, b) => a - b)
  return {
    'requests/s': Math.round(answered / seconds),
    'MB/s': Math.round((answered * sizeBytes) / seconds / 1e6),
    'p50 ms': Number((latencies[latencies.length >> 1] ?? 0).toFixed(3)),
    'client CPU %': Math.round((cpu.user + cpu.system) / 1e4 / seconds),
  }
}
