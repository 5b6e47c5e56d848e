/** NATS servers with JetStream on files. When it syncs is a setting of the server, so each durability is servers of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { freePorts } from '../../../src/cli/bench/free-ports.ts'
import type { StartOptions } from '../../harness/system.ts'
import type { Durability } from '../../harness/workload.ts'
import { stop, untilWorks } from '../tools.ts'

const startTimeoutMs = 60_000

/** `os` is the default, which syncs every two minutes. */
export const syncSettings: Readonly<Record<Durability, string>> = { os: '', sync: 'sync_interval: always' }

export interface NatsServers extends AsyncDisposable {
  readonly urls: string
  readonly pids: readonly number[]
  readonly startSeconds: number
}

export async function startNats({ nodes, directory }: StartOptions, durability: Durability): Promise<NatsServers> {
  const ports = await freePorts(3 * nodes)
  const routes = Array.from({ length: nodes }, (_, at) => `nats://127.0.0.1:${ports[nodes + at]}`)
  const children: ChildProcess[] = []
  const startedAt = performance.now()
  const dispose = (): Promise<void> => stop(children)
  for (let at = 0; at < nodes; at++) {
    const home = path.join(directory, `nats-${durability}-${at + 1}`)
    mkdirSync(home, { recursive: true })
    const file = path.join(home, 'nats.conf')
    const cluster =
      nodes === 1 ? '' : `cluster { name: bench, listen: "127.0.0.1:${ports[nodes + at]}", routes: [${routes.join()}] }`
    writeFileSync(
      file,
      `server_name: n${at + 1}
listen: "127.0.0.1:${ports[at]}"
http: "127.0.0.1:${ports[2 * nodes + at]}"
jetstream { store_dir: "${path.join(home, 'data')}"
  ${syncSettings[durability]} }
${cluster}
`,
    )
    children.push(spawn('nats-server', ['-c', file], { stdio: 'ignore' }))
  }
  try {
    await Promise.all(
      Array.from({ length: nodes }, (_, at) =>
        untilWorks(async () => {
          const { status } = await fetch(`http://127.0.0.1:${ports[2 * nodes + at]}/healthz`)
          if (status !== 200) throw new Error(`a NATS server is not healthy: ${status}`)
        }, startTimeoutMs),
      ),
    )
  } catch (error) {
    await dispose()
    throw error
  }
  const urls = ports
    .slice(0, nodes)
    .map(port => `nats://127.0.0.1:${port}`)
    .join()
  const startSeconds = (performance.now() - startedAt) / 1_000
  return { urls, pids: children.map(({ pid }) => pid!), startSeconds, [Symbol.asyncDispose]: dispose }
}
