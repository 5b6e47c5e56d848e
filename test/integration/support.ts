/** What the tests with real nodes share: directories that go away, clients that close, reading a topic to its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { Admin, Consumer, Producer } from '../../src/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { type Server, type ServerOptions, startServer } from '../../src/server/index.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import type { Connection, ConnectionOptions } from '../../src/transport/connection.ts'
import { Disposables } from '../../src/util/disposables.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { MiB } from '../../src/util/units.ts'

const cleanups = new WeakMap<TestContext, Disposables>()

/** Runs after the test, last registered first: `t.after` alone would remove a directory before its node has stopped. */
export function afterTest(t: TestContext, cleanUp: () => void | Promise<unknown>): void {
  let stack = cleanups.get(t)
  if (stack === undefined) {
    const created = new Disposables()
    cleanups.set(t, created)
    t.after(() => created.dispose())
    stack = created
  }
  stack.defer(async () => {
    await cleanUp()
  })
}

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-test-'))
  afterTest(t, () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A node in this process on any free port, closed with the test. */
export async function startNode(t: TestContext, options: ServerOptions = {}): Promise<Server> {
  const server = await startServer({ port: 0, logger: silentLogger, ...options })
  afterTest(t, () => server.close())
  return server
}

export interface Clients {
  readonly admin: Admin
  readonly producer: Producer
}

export function clientsOf(t: TestContext, { url }: { readonly url: string }): Clients {
  const admin = new Admin({ bootstrap: url })
  const producer = new Producer({ bootstrap: url })
  afterTest(t, () => Promise.all([admin.close(), producer.close()]))
  return { admin, producer }
}

export const connectionOptions: ConnectionOptions = {
  socketFactory: wsSocketFactory(),
  clock: systemClock,
  clientId: 'test',
  software: 'test',
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  inFlightBytesMax: 64 * MiB,
}

/** A bare connection, for requests the clients would not make or would retry. */
export async function connect(t: TestContext, url: string): Promise<Connection> {
  const connection = await openConnection(url, connectionOptions)
  afterTest(t, () => connection[Symbol.asyncDispose]())
  return connection
}

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** Everything the topic holds now, partition by partition. */
export async function readTopic(url: string, topic: string): Promise<ReadRecord[]> {
  const admin = new Admin({ bootstrap: url })
  const [description] = await admin.describeTopics({ topics: [topic] })
  await admin.close()
  const partitions = description!.partitions
  const missing = partitions.reduce((sum, p) => sum + (p.highWatermark! - p.logStartOffset!), 0)
  const records: ReadRecord[] = []
  if (missing === 0) return records
  const consumer = new Consumer({ bootstrap: url, topics: [topic], from: 'start' })
  for await (const { partition, offset, key, value } of consumer) {
    records.push({ partition, offset, key: text(key), value: text(value) })
    if (records.length === missing) break
  }
  await consumer.close()
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

const decoder = new TextDecoder()

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : decoder.decode(bytes)
}

export interface NodeProcess {
  readonly child: ChildProcess
  readonly url: string
  kill(signal: NodeJS.Signals): Promise<void>
}

/** A node in a process of its own. `options` go to `startServer`, `environment` on top of this process's. */
export async function startNodeProcess(
  t: TestContext,
  options: ServerOptions,
  environment: Record<string, string> = {},
): Promise<NodeProcess> {
  const child = fork(path.join(import.meta.dirname, 'node-process.ts'), [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16', ...environment },
  })
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  afterTest(t, () => kill('SIGKILL'))
  const [message] = (await once(child, 'message')) as [{ url: string }]
  return { child, url: message.url, kill }
}
