/** `millrace dev` as a process, its nodes known by the process ids it prints, so that a test can kill and freeze them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { spawnCli, stopProcess } from '../cli/support.ts'
import { afterTest, temporaryDirectory } from './support.ts'

export interface DevNode {
  readonly id: number
  readonly url: string
  /** Of the process that runs it now. */
  pid: number
  /** How often it came back. */
  returns: number
}

export interface DevCluster {
  readonly nodes: readonly DevNode[]
  readonly urls: readonly string[]
  /** Everything it and its nodes said on stderr. */
  stderr(): string
  /** Resolves when the node has come back more than `returns` times; fails when `dev` ends instead. */
  untilBack(node: DevNode, returns: number): Promise<void>
  /** Ends it as Ctrl-C does; resolves with its exit code. */
  stop(): Promise<number | null>
}

/** Starts `nodes` nodes and resolves when all of them serve. */
export async function startDev(t: TestContext, nodes: number, args: readonly string[] = []): Promise<DevCluster> {
  const portBase = await freePortBase(nodes)
  const dataDir = temporaryDirectory(t)
  const child = spawnCli(
    ['dev', '--nodes', String(nodes), '--data-dir', dataDir, '--port-base', String(portBase), ...args],
    { env: { MILLRACE_LOG_LEVEL: 'warn' } },
  )
  afterTest(t, () => stopProcess(child))
  const known: DevNode[] = []
  const waiting = new Set<() => void>()
  let stdout = ''
  let stderr = ''
  let unread = ''
  const changed = (): void => {
    for (const look of [...waiting]) look()
  }
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    stdout += part
    changed()
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part
    unread += part
    for (const [, id, pid] of unread.matchAll(/^node (\d+) is back, process (\d+)\n/gm)) {
      const node = known.find(candidate => candidate.id === Number(id))
      assert.ok(node !== undefined, 'a node comes back after all have been there')
      node.pid = Number(pid)
      node.returns++
    }
    unread = unread.slice(unread.lastIndexOf('\n') + 1)
    changed()
  })
  child.once('close', changed)
  const until = (isTrue: () => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (isTrue()) resolve()
        else if (child.exitCode !== null) reject(new Error(`dev ended while waiting for ${what}:\n${stderr}`))
        else return
        waiting.delete(look)
      }
      waiting.add(look)
      look()
    })
  await until(() => stdout.includes('Ctrl-C'), 'all nodes')
  for (const [, id, url, pid] of stdout.matchAll(/^ *(\d+) +(ws:\/\/\S+) .* (\d+)$/gm)) {
    known.push({ id: Number(id), url: url!, pid: Number(pid), returns: 0 })
  }
  assert.equal(known.length, nodes, stdout)
  return {
    nodes: known,
    urls: known.map(node => node.url),
    stderr: () => stderr,
    untilBack: (node, returns) => until(() => node.returns > returns, `node ${node.id}`),
    async stop() {
      const ended = once(child, 'close')
      child.kill('SIGINT')
      const [code] = (await ended) as [number | null]
      return code
    },
  }
}

/** The first of a run of ports as `dev` lays them out, all of them free a moment ago. */
export async function freePortBase(nodes: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = 20_000 + Math.floor(Math.random() * 10_000)
    const ports = Array.from({ length: nodes }, (_, at) => [base + 10 * at, base + 10 * at + 1]).flat()
    const free = await Promise.all(ports.map(isFree))
    if (free.every(Boolean)) return base
  }
  throw new Error('no free ports')
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
