/** What the tests with real nodes share: directories that go away, clients that close, reading a topic to its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { Admin, Consumer, Producer } from '../../src/index.ts'
import { type Server, type ServerOptions, startServer } from '../../src/server/index.ts'
import { silentLogger } from '../../src/util/logger.ts'

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A node in this process on any free port, closed with the test. */
export async function startNode(t: TestContext, options: ServerOptions = {}): Promise<Server> {
  const server = await startServer({ port: 0, logger: silentLogger, ...options })
  t.after(() => server.close())
  return server
}

export interface Clients {
  readonly admin: Admin
  readonly producer: Producer
}

export function clientsOf(t: TestContext, { url }: { readonly url: string }): Clients {
  const admin = new Admin({ bootstrap: url })
  const producer = new Producer({ bootstrap: url })
  t.after(() => Promise.all([admin.close(), producer.close()]))
  return { admin, producer }
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

/** A node in a process of its own. `options` go to `startServer`. */
export async function startNodeProcess(t: TestContext, options: ServerOptions): Promise<NodeProcess> {
  const child = fork(path.join(import.meta.dirname, 'node-process.ts'), [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  })
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  t.after(() => kill('SIGKILL'))
  const [message] = (await once(child, 'message')) as [{ url: string }]
  return { child, url: message.url, kill }
}
