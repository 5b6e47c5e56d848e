/** Three nodes of the bank as processes of this machine, to be killed and started again. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RaftStatus } from '../../src/server/raft/index.ts' // 'millrace/raft'
import type { Account } from './bank.ts'

export class BankCluster implements AsyncDisposable {
  readonly urls: readonly string[]
  readonly #directory: string
  readonly #peerPorts: readonly number[]
  readonly #httpPorts: readonly number[]
  readonly #children = new Map<number, ChildProcess>()

  private constructor(directory: string, ports: readonly number[]) {
    this.#directory = directory
    this.#peerPorts = ports.slice(0, 3)
    this.#httpPorts = ports.slice(3)
    this.urls = this.#httpPorts.map(port => `http://127.0.0.1:${port}`)
  }

  static async start(directory: string): Promise<BankCluster> {
    const cluster = new BankCluster(directory, await freePorts(6))
    await Promise.all([1, 2, 3].map(id => cluster.startNode(id)))
    return cluster
  }

  async startNode(id: number): Promise<void> {
    const args = ['--id', `${id}`, '--data-dir', path.join(this.#directory, `bank-${id}`)]
    const ports = ['--peers', this.#peerPorts.join(), '--http', this.#httpPorts.join()]
    const child = fork(path.join(import.meta.dirname, 'node.ts'), [...args, ...ports], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#children.set(id, child)
    const isReady = await Promise.race([once(child, 'message').then(() => true), once(child, 'exit').then(() => false)])
    if (!isReady) throw new Error(`node ${id} of the bank ended before it was ready`)
  }

  async kill(id: number): Promise<void> {
    const child = this.#children.get(id)
    this.#children.delete(id)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  get running(): number[] {
    return [...this.#children.keys()]
  }

  /** The node that leads; waits for one. */
  async leader(): Promise<number> {
    for (;;) {
      for (const id of this.running) {
        const status = await this.#get<RaftStatus>(id, '/status')
        if (status?.role === 'leader' && this.#children.has(id)) return id
      }
      await sleep(10)
    }
  }

  /** The account as this one node knows it; `null` when it does not know it, or does not answer. */
  localAccount(id: number, name: string): Promise<Account | null> {
    return this.#get<Account>(id, `/accounts/${encodeURIComponent(name)}?local`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map(id => this.kill(id)))
  }

  async #get<Body>(id: number, page: string): Promise<Body | null> {
    try {
      const response = await fetch(`${this.urls[id - 1]}${page}`, { signal: AbortSignal.timeout(5_000) })
      return response.ok ? ((await response.json()) as Body) : null
    } catch {
      return null
    }
  }
}

/** Free a moment ago: all are held at once, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
