/** Requests of the tests' own, and a server and clients that meet over memory sockets on virtual time. */

import { defineApi } from '../../src/protocol/api.ts'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { decodeResponseEnvelope, encodeRequest } from '../../src/protocol/frame.ts'
import { responseFrameLimits } from '../../src/protocol/prescan.ts'
import { bytes, field, int32, string, struct } from '../../src/protocol/schema.ts'
import { type MemorySocket, memoryNetwork, memorySocketPair } from '../../src/simulation/memory-sockets.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import type { Connection, ConnectionOptions } from '../../src/transport/connection.ts'
import { defineHandler, type Handler, type RequestContext } from '../../src/transport/handler.ts'
import type { TransportLimits } from '../../src/transport/limits.ts'
import { type Listener, openListener } from '../../src/transport/listener.ts'
import type { Clock } from '../../src/util/clock.ts'
import { type Logger, silentLogger } from '../../src/util/logger.ts'
import { KiB, MiB } from '../../src/util/units.ts'

/** Answers at once with `answerBytes` bytes. */
export const echoApi = defineApi({
  key: 2_000,
  name: 'Echo',
  versions: [1, 2],
  doc: 'For tests.',
  request: struct({
    data: field(bytes({ lengthMax: 64 * MiB }), 'Anything.'),
    answerBytes: field(int32, 'Bytes wanted.'),
  }),
  response: struct({ data: field(bytes({ lengthMax: 64 * MiB }), 'Zeros.') }),
})

/** Answers when the test says so. */
export const parkApi = defineApi({
  key: 2_001,
  name: 'Park',
  versions: [0, 0],
  doc: 'For tests.',
  request: struct({ tag: field(string({ lengthMax: 100_000 }), 'Which.') }),
  response: struct({ tag: field(string({ lengthMax: 16 * MiB }), 'Which.') }),
})

/** A request parked on the server. */
export interface Parked {
  readonly tag: string
  readonly context: RequestContext
  resolve(tag?: string | null): void
  reject(error: unknown): void
}

export function testHandlers(parked: Parked[], started: string[] = []): Handler[] {
  return [
    defineHandler(echoApi, ({ answerBytes }) => {
      started.push('echo')
      return { data: new Uint8Array(answerBytes) }
    }),
    defineHandler(parkApi, ({ tag }, context) => {
      started.push(tag)
      return new Promise((resolve, reject) => {
        parked.push({
          tag,
          context,
          resolve: (answer = tag) => resolve(answer === null ? null : { tag: answer }),
          reject,
        })
      })
    }),
  ]
}

export interface Rig {
  readonly clock: VirtualClock
  readonly listener: Listener
  readonly parked: Parked[]
  /** Tags in the order in which their handlers were started. */
  readonly started: string[]
  readonly fatal: Error[]
  readonly logged: string[]
  /** A client's raw end of a connection to the listener. */
  raw(): RawClient
  /** A raw client that has introduced itself. */
  established(): Promise<RawClient>
  connect(options?: Partial<ConnectionOptions>): Promise<Connection>
}

export const memoryUrl = 'ws://memory'

export function rig(
  options: { limits?: Partial<TransportLimits>; handlers?: Handler[]; isMemoryShort?: () => boolean } = {},
): Rig {
  const clock = new VirtualClock()
  const parked: Parked[] = []
  const started: string[] = []
  const fatal: Error[] = []
  const logged: string[] = []
  const logger: Logger = { ...silentLogger, error: (_fields, message) => logged.push(message) }
  const listener = openListener({
    name: 'TEST',
    handlers: [...testHandlers(parked, started), ...(options.handlers ?? [])],
    identity: () => ({ clusterId: 'test-cluster', nodeId: 7, software: 'test' }),
    clock,
    logger,
    onFatal: error => fatal.push(error),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.isMemoryShort === undefined ? {} : { isMemoryShort: options.isMemoryShort }),
  })
  const network = memoryNetwork(clock)
  network.listen(memoryUrl, socket => listener.accept(socket))
  const raw = (): RawClient => {
    const [client, server] = memorySocketPair(clock)
    listener.accept(server)
    return new RawClient(client, clock)
  }
  return {
    clock,
    listener,
    parked,
    started,
    fatal,
    logged,
    raw,
    async established() {
      const client = raw()
      client.socket.send(encodeRequest(apiVersions, 0, 0, { clientId: 'raw', software: 'test' }))
      await client.settle()
      client.answers.length = 0
      return client
    },
    async connect(connection = {}) {
      const opening = openConnection(memoryUrl, {
        ...clientOptions(clock),
        socketFactory: network.socketFactory,
        ...connection,
      })
      await settle(clock)
      return await opening
    },
  }
}

export function clientOptions(clock: Clock): Omit<ConnectionOptions, 'socketFactory'> {
  return {
    clock,
    clientId: 'test',
    software: 'test',
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
    inFlightBytesMax: 64 * KiB,
  }
}

interface Closed {
  readonly code: number
  readonly reason: string
}

/** Records what a server does to a client that speaks frames by hand. */
export class RawClient {
  readonly socket: MemorySocket
  readonly answers: Array<{ correlationId: number; errorCode: number; body: unknown; sizeBytes: number }> = []
  #closed: Closed | null = null
  readonly #clock: VirtualClock
  #lastId = 0

  constructor(socket: MemorySocket, clock: VirtualClock) {
    this.socket = socket
    this.#clock = clock
    socket.onMessage = message => {
      this.answers.push({ ...decodeResponseEnvelope(message, responseFrameLimits), sizeBytes: message.length })
    }
    socket.onClose = (code, reason) => {
      this.#closed = { code, reason }
    }
  }

  /** `api`: one that asks and answers like `echoApi`. */
  echo(answerBytes: number, api: typeof echoApi = echoApi): number {
    const data = new Uint8Array(0)
    this.socket.send(encodeRequest(api, 1, ++this.#lastId, { data, answerBytes }))
    return this.#lastId
  }

  park(tag: string): number {
    this.socket.send(encodeRequest(parkApi, 0, ++this.#lastId, { tag }))
    return this.#lastId
  }

  get closed(): Closed | null {
    return this.#closed
  }

  get answeredIds(): number[] {
    return this.answers.map(answer => answer.correlationId)
  }

  settle(): Promise<void> {
    return settle(this.#clock)
  }
}

/** Lets everything that is due now happen, promises between the events included. Moves no time. */
export async function settle(clock: VirtualClock): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    await new Promise(resolve => setImmediate(resolve))
    if (clock.runDue() > 0) quiet = -1
  }
}
