/** Nodes as an operator runs them: `millrace server` with the settings of docs/OPERATIONS.md, and commands typed beside them. */
import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, type PartitionDescription } from '../../src/index.ts'
import { type Ended, ended, runCli, spawnCli, stopProcess } from '../cli/support.ts'
import { freePortBase } from './dev-cluster.ts'
import { afterTest, temporaryDirectory } from './support.ts'

const pollMs = 20

/** Asks until the answer is something; the test's own time limit ends it. */
export async function until<T>(ask: () => T | Promise<T>): Promise<Exclude<T, null | undefined | false>> {
  for (;;) {
    const answer = await ask()
    if (answer !== null && answer !== undefined && answer !== false)
      return answer as Exclude<T, null | undefined | false>
    await pause(pollMs)
  }
}

export interface Readiness {
  readonly isReady: boolean
  readonly reasons: readonly string[]
}

export class HandNode {
  readonly id: number
  /** For clients. */
  readonly url: string
  readonly peerUrl: string
  readonly dataDir: string
  readonly #settings: Readonly<Record<string, string>>
  #child: ChildProcessWithoutNullStreams | null = null
  #running: Promise<Ended> = Promise.resolve({ code: null, stdout: '', stderr: '' })
  /** Everything it has logged since its last start. */
  said = ''

  constructor(id: number, dataDir: string, port: number, settings: Readonly<Record<string, string>>) {
    this.id = id
    this.dataDir = dataDir
    this.url = `ws://127.0.0.1:${port}`
    this.peerUrl = `ws://127.0.0.1:${port + 1}`
    this.#settings = settings
  }

  /** Does not wait for anything. */
  start(settings: Readonly<Record<string, string>> = {}): this {
    const own = { 'node.id': String(this.id), 'peer.listener': this.peerUrl, 'log.level': 'warn' }
    const pairs = Object.entries({ ...own, ...this.#settings, ...settings }).map(([key, value]) => `${key}=${value}`)
    const args = [
      '--data-dir',
      this.dataDir,
      '--port',
      new URL(this.url).port,
      ...pairs.flatMap(pair => ['--set', pair]),
    ]
    this.said = ''
    this.#child = spawnCli(['server', ...args])
    this.#child.stderr.setEncoding('utf8').on('data', (part: string) => void (this.said += part))
    this.#running = ended(this.#child)
    return this
  }

  /** What it said, when it has ended; it is not told to. */
  ended(): Promise<Ended> {
    return this.#running
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    if (this.#child !== null) await stopProcess(this.#child, signal)
    return this.#running
  }

  async loseDisk(): Promise<void> {
    await this.stop('SIGKILL')
    rmSync(this.dataDir, { recursive: true })
  }

  /** `null` as long as nobody answers. */
  async readiness(): Promise<Readiness | null> {
    try {
      const response = await fetch(`${this.url.replace('ws:', 'http:')}/readyz`)
      const { reasons = [] } = (await response.json()) as { reasons?: string[] }
      return { isReady: response.status === 200, reasons }
    } catch {
      return null
    }
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.url.replace('ws:', 'http:')}/metrics`)
    const line = new RegExp(`^${name} (\\S+)$`, 'm').exec(await response.text())
    assert.ok(line !== null, `there is no metric ${name}`)
    return Number(line[1])
  }

  async untilReady(): Promise<void> {
    await until(async () => {
      assert.ok(this.#child?.exitCode === null, `node ${this.id} ended: ${this.said}`)
      return (await this.readiness())?.isReady
    })
  }

  /** Resolves when `/readyz` names a reason like this. */
  async untilWaiting(reason: RegExp): Promise<void> {
    await until(async () => (await this.readiness())?.reasons.some(text => reason.test(text)))
  }

  /** Resolves when its log has a line like this. */
  async untilSaid(line: RegExp): Promise<void> {
    await until(() => line.test(this.said))
  }

  /** A command sent to this node first. */
  run(...args: string[]): Promise<Ended> {
    return this.runWith('', ...args)
  }

  runWith(input: string, ...args: string[]): Promise<Ended> {
    return runCli([...args, '-b', this.url], { input })
  }

  /** The same, of a command that must succeed. */
  async text(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args)
    assert.equal(code, 0, `millrace ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  /** Asked without a command: it takes a second to start one. */
  quorum() {
    return this.#ask(admin => admin.describeQuorum())
  }

  async partitions(topic: string): Promise<readonly PartitionDescription[]> {
    const [description] = await this.#ask(admin => admin.describeTopics({ topics: [topic] }))
    return description!.partitions
  }

  /** The same, and how far each replica is. */
  async replicas(topic: string): Promise<readonly PartitionDescription[]> {
    const [description] = await this.#ask(admin => admin.describeTopics({ topics: [topic], includeReplicas: true }))
    return description!.partitions
  }

  async topics(): Promise<string[]> {
    const topics = await this.#ask(admin => admin.listTopics())
    return topics.map(({ name }) => name).sort()
  }

  async #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = new Admin({ bootstrap: this.url })
    try {
      return await question(admin)
    } finally {
      await admin.close()
    }
  }
}

export interface HandOptions {
  /** How many of the nodes are named as voters; by default all. */
  readonly voters?: number
  /** Of every node, beside its own. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Nodes 1 to `nodes`, none of them started; stopped with the test. */
export async function nodesByHand(t: TestContext, nodes: number, options: HandOptions = {}): Promise<HandNode[]> {
  const { voters = nodes, settings = {} } = options
  const base = await freePortBase(nodes)
  const directory = temporaryDirectory(t)
  const peers = Array.from({ length: voters }, (_, at) => `${at + 1}@127.0.0.1:${base + 10 * at + 1}`).join()
  const all = Array.from({ length: nodes }, (_, at) => {
    const dataDir = path.join(directory, `node-${at + 1}`)
    return new HandNode(at + 1, dataDir, base + 10 * at, { 'controller.quorum.voters': peers, ...settings })
  })
  afterTest(t, () => Promise.all(all.map(node => node.stop('SIGKILL'))))
  return all
}

/** Nodes 1 to 3, serving. */
export async function threeByHand(t: TestContext): Promise<[HandNode, HandNode, HandNode]> {
  const nodes = await nodesByHand(t, 3)
  for (const node of nodes) node.start()
  await Promise.all(nodes.map(node => node.untilReady()))
  return nodes as [HandNode, HandNode, HandNode]
}

export function idsOf(replicas: readonly { readonly id: number }[]): number[] {
  return replicas.map(({ id }) => id).sort((a, b) => a - b)
}
