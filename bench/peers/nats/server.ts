/** NATS servers with JetStream on files. When it syncs is a setting of the server, so each durability is servers of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { freePorts } from '../../../src/cli/bench/free-ports.ts'
import type { StartOptions } from '../../harness/system.ts'
import { untilWorks } from '../../harness/until-works.ts'
import type { Durability } from '../../harness/workload.ts'
import { stop } from '../tools.ts'

const startTimeoutMs = 60_000

/** `os` is the default, which syncs every two minutes. */
export const syncSettings: Readonly<Record<Durability, string>> = { os: '', sync: 'sync_interval: always' }

/** Servers of one durability that have their files, and can be started and stopped. */
export class NatsServers implements AsyncDisposable {
  readonly urls: string
  readonly #files: readonly string[]
  readonly #healthUrls: readonly string[]
  #children: ChildProcess[] = []

  private constructor(urls: readonly string[], files: readonly string[], healthUrls: readonly string[]) {
    this.urls = urls.join()
    this.#files = files
    this.#healthUrls = healthUrls
  }

  static async prepare({ nodes, directory }: StartOptions, durability: Durability): Promise<NatsServers> {
    const ports = await freePorts(3 * nodes)
    const portsFrom = (at: number): number[] => ports.slice(at * nodes, (at + 1) * nodes)
    const [clientPorts, peerPorts, healthPorts] = [0, 1, 2].map(portsFrom) as [number[], number[], number[]]
    const routes = peerPorts.map(port => `nats://127.0.0.1:${port}`).join()
    const files = clientPorts.map((port, at) => {
      const home = path.join(directory, `nats-${durability}-${nodes}-${at + 1}`)
      mkdirSync(home, { recursive: true })
      const file = path.join(home, 'nats.conf')
      const cluster =
        nodes === 1 ? '' : `cluster { name: bench, listen: "127.0.0.1:${peerPorts[at]}", routes: [${routes}] }`
      writeFileSync(
        file,
        `server_name: n${at + 1}
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${healthPorts[at]}"
jetstream { store_dir: "${path.join(home, 'data')}"
  ${syncSettings[durability]} }
${cluster}
`,
      )
      return file
    })
    return new NatsServers(
      clientPorts.map(port => `nats://127.0.0.1:${port}`),
      files,
      healthPorts.map(port => `http://127.0.0.1:${port}/healthz`),
    )
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!)
  }

  /** Resolves when all are healthy. */
  async start(): Promise<void> {
    this.#children = this.#files.map(file => spawn('nats-server', ['-c', file], { stdio: 'ignore' }))
    await Promise.all(
      this.#healthUrls.map(url =>
        untilWorks(async () => {
          const { status } = await fetch(url)
          if (status !== 200) throw new Error(`a NATS server is not healthy: ${status}`)
        }, startTimeoutMs),
      ),
    )
  }

  /** They can be started again. */
  [Symbol.asyncDispose](): Promise<void> {
    return stop(this.#children)
  }
}
