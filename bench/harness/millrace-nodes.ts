/** Nodes as processes of this machine, and `millrace` commands against them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { freePorts } from '../../src/cli/bench/free-ports.ts'
import { type Mesh, openMesh } from '../../test/support/chaos/mesh.ts'
import { MillraceClient } from './millrace-client.ts'
import { ended } from './processes.ts'
import type { Durability } from './workload.ts'

const thisCheckout = path.join(import.meta.dirname, '..', '..')

export interface ClusterOptions {
  /** On the disk that is measured; removed in the end. */
  readonly directory: string
  readonly nodes?: 1 | 3
  /** Whose code runs: by default this one's. */
  readonly checkout?: string
  readonly mode: Durability
  /** Everything between nodes goes through links that can delay it. */
  readonly isLinked?: boolean
  /** What a client that is there does from the moment when the nodes are forked. */
  readonly contact?: (urls: readonly string[]) => Promise<void>
}

export interface BenchCluster extends AsyncDisposable {
  readonly urls: readonly string[]
  readonly pids: readonly number[]
  /** From the first fork to when all serve, or to when `contact` was done where there is one. */
  readonly startSeconds: number
  readonly mesh: Mesh | null
  readonly client: MillraceClient
  /** Runs a command in the client's process and parses what it prints. */
  millrace<Output>(...args: string[]): Promise<Output>
  /** The topic `bench` with three partitions, each led by another node; what was in it is gone. */
  recreateTopic(): Promise<void>
  /** CPU seconds of each node so far. */
  cpuSeconds(): Promise<number[]>
  /** SIGKILL. */
  kill(at: number): void
  /** Ends nodes and client, and starts them on what they left. */
  restart(): Promise<void>
}

export async function startBenchCluster(options: ClusterOptions): Promise<BenchCluster> {
  const { directory, nodes: count = 3, checkout = thisCheckout, mode, isLinked, contact } = options
  const work = mkdtempSync(path.join(directory, 'cluster-'))
  const ports = await freePorts(2 * count)
  const nodes = [1, 2, 3]
    .slice(0, count)
    .map((id, at) => ({ id, clientPort: ports[2 * at]!, peerPort: ports[2 * at + 1]! }))
  const mesh = isLinked === true ? await openMesh(nodes, 1) : null
  const voters = nodes.map(({ id, peerPort }) => `${id}@127.0.0.1:${peerPort}`).join()
  const urls = nodes.map(({ clientPort }) => `ws://127.0.0.1:${clientPort}`)
  let children: ChildProcess[] = []
  let startSeconds = 0
  let client: MillraceClient
  const start = async (): Promise<void> => {
    const startedAt = performance.now()
    const environment = (id: number): NodeJS.ProcessEnv => ({ ...process.env, ...mesh?.environmentOf(id) })
    children = nodes.map(node => forkNode({ ...node, checkout, work, voters, mode, env: environment(node.id) }))
    const serving = Promise.all(children.map(child => once(child, 'message')))
    await (contact === undefined ? serving : contact(urls))
    startSeconds = (performance.now() - startedAt) / 1_000
    await serving
    client = new MillraceClient(checkout)
  }
  const stop = async (): Promise<void> => {
    await client[Symbol.asyncDispose]()
    for (const child of children) child.kill('SIGTERM')
    await Promise.all(children.map(ended))
  }
  await start()
  const millrace = async <Output>(...args: string[]): Promise<Output> =>
    JSON.parse(await client.run(...args, '-b', urls.join(), '--format', 'json'))
  let hasTopic = false
  return {
    urls,
    get pids() {
      return children.map(({ pid }) => pid!)
    },
    get startSeconds() {
      return startSeconds
    },
    mesh,
    get client() {
      return client
    },
    millrace,
    async recreateTopic() {
      if (hasTopic) await millrace('topic', 'delete', 'bench')
      await millrace('topic', 'create', 'bench', '-p', '3', '-r', '3')
      hasTopic = true
    },
    cpuSeconds: () => Promise.all(urls.map(cpuSecondsOf)),
    kill: at => void children[at]!.kill('SIGKILL'),
    async restart() {
      await stop()
      await start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await mesh?.[Symbol.asyncDispose]()
      rmSync(work, { recursive: true, force: true })
    },
  }
}

interface NodeOptions {
  readonly id: number
  readonly clientPort: number
  readonly peerPort: number
  readonly checkout: string
  readonly work: string
  readonly voters: string
  readonly mode: Durability
  readonly env: NodeJS.ProcessEnv
}

function forkNode({ id, clientPort, peerPort, checkout, work, voters, mode, env }: NodeOptions): ChildProcess {
  const settings = [
    `node.id=${id}`,
    `peer.listener=ws://127.0.0.1:${peerPort}`,
    `controller.quorum.voters=${voters}`,
    `log.flush.policy=${mode}`,
    'log.level=warn',
  ]
  const args = ['server', '--data-dir', path.join(work, `node-${id}`), '--port', String(clientPort)]
  return fork(
    path.join(checkout, 'bin', 'millrace.cjs'),
    [...args, ...settings.flatMap(setting => ['--set', setting])],
    { execArgv: [], env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
}

async function cpuSecondsOf(url: string): Promise<number> {
  const response = await fetch(new URL('/metrics', url.replace(/^ws/, 'http')))
  const found = [...(await response.text()).matchAll(/^millrace_process_cpu_seconds_total\S*\s+(\S+)/gm)]
  if (found.length === 0) throw new Error(`${url} does not tell its CPU time`)
  // For user and system mode.
  return found.reduce((sum, [, seconds]) => sum + Number(seconds), 0)
}
