/** The nodes of a chaos test, and what is asked of all of them together. */
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, type TopicDescription } from '../../../src/index.ts'
import { ChaosNode } from './node.ts'

const pollMs = 50

export interface NodePlace {
  readonly id: number
  readonly host: string
  readonly clientPort: number
  readonly peerPort: number
  readonly advertisedPort?: number
  /** Beside those of all nodes. */
  readonly environment?: Readonly<Record<string, string>>
  readonly under?: readonly string[]
}

export interface ClusterOptions {
  /** A directory for each node, `node-1` and so on, is in it. */
  readonly directory: string
  /** Of every node. */
  readonly settings?: Readonly<Record<string, string>>
}

export class ChaosCluster {
  readonly nodes: readonly ChaosNode[]
  readonly #admin: Admin

  constructor(places: readonly NodePlace[], { directory, settings = {} }: ClusterOptions) {
    const voters = places.map(({ id, host, peerPort }) => `${id}@${host}:${peerPort}`).join()
    this.nodes = places.map(
      place =>
        new ChaosNode({
          ...place,
          advertisedPort: place.advertisedPort ?? null,
          environment: place.environment ?? {},
          dataDir: path.join(directory, `node-${place.id}`, 'data'),
          settings: { 'controller.quorum.voters': voters, ...settings },
        }),
    )
    this.#admin = new Admin({ bootstrap: this.urls, requestTimeoutMs: 3_000, metadataTimeoutMs: 60_000 })
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url)
  }

  get admin(): Admin {
    return this.#admin
  }

  node(id: number): ChaosNode {
    return this.nodes.find(node => node.id === id)!
  }

  async start(): Promise<void> {
    for (const node of this.nodes) node.start()
    await this.untilReady()
  }

  async untilReady(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.untilReady()))
  }

  /** Asked again while nobody can answer. */
  async describe(topic: string): Promise<TopicDescription> {
    return this.ask(async admin => (await admin.describeTopics({ topics: [topic] }))[0]!)
  }

  /** Asks until there is an answer; the test's own time limit ends it. */
  async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await question(this.#admin)
      } catch (error) {
        if ((error as { isRetriable?: boolean }).isRetriable !== true) throw error
        await pause(pollMs)
      }
    }
  }

  /** Resolves when every partition has a leader and all its replicas are in sync, as all nodes that are asked say. */
  async untilInSync(topic: string): Promise<void> {
    for (;;) {
      const { partitions } = await this.describe(topic)
      const isInSync = partitions.every(({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length)
      if (isInSync) return
      await pause(pollMs)
    }
  }

  /** A voter that lost its disk is removed and added, as docs/OPERATIONS.md has it; as long as it takes. */
  async readmit(node: ChaosNode): Promise<void> {
    const voters = async (): Promise<readonly number[]> =>
      (await this.ask(admin => admin.describeQuorum())).voters.map(({ id }) => id)
    // What was not answered may have been done: the voters say.
    const repeat = async (
      change: (admin: Admin) => Promise<unknown>,
      isDone: () => Promise<boolean>,
    ): Promise<void> => {
      while (!(await isDone())) await change(this.#admin).catch(() => pause(pollMs))
    }
    await repeat(
      admin => admin.removeVoter({ id: node.id, timeoutMs: 5_000 }),
      async () => !(await voters()).includes(node.id),
    )
    await repeat(
      admin => admin.addVoter({ id: node.id, url: node.peerUrl, timeoutMs: 20_000 }),
      async () => (await voters()).includes(node.id),
    )
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#admin.close()
    await Promise.all(this.nodes.map(node => node.stop(signal)))
  }
}
