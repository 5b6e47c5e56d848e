/**
 * Clients that create, delete and describe topics as fast as they are answered, and a ledger of what they were told. A
 * name is used once in a life of the load, so a name that is there twice, or again, is somebody's mistake.
 */
import assert from 'node:assert/strict'
import { Admin } from '../../src/index.ts'

type Fate = 'creating' | 'exists' | 'deleting' | 'deleted'

interface Entry {
  fate: Fate
  topicId: string | null
}

export class AdminLoad {
  readonly ledger = new Map<string, Entry>()
  readonly counts = { created: 0, deleted: 0, described: 0, unknown: 0 }
  readonly #clients: Admin[]
  readonly #urls: readonly string[]
  readonly #running: Promise<void>[] = []
  #isStopped = false
  #failure: unknown = null

  /** Each client begins at another node and finds the rest itself. */
  constructor(urls: readonly string[], clients: number) {
    this.#urls = urls
    this.#clients = Array.from({ length: clients }, (_, i) => {
      const bootstrap = [urls[i % urls.length]!, ...urls]
      return new Admin({ bootstrap, requestTimeoutMs: 3_000 })
    })
  }

  start(): void {
    this.#clients.forEach((client, i) => {
      this.#running.push(this.#run(client, i).catch(error => void (this.#failure ??= error)))
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#running)
    await Promise.all(this.#clients.map(client => client.close()))
    if (this.#failure !== null) throw this.#failure
  }

  async #run(client: Admin, number: number): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      const name = `t-${number}-${i}`
      await this.#create(client, name)
      if (i % 4 === 3) await this.#describe(client, name)
      if (i % 3 === 2) await this.#delete(client, `t-${number}-${i - 1}`)
    }
  }

  async #create(client: Admin, name: string): Promise<void> {
    const entry: Entry = { fate: 'creating', topicId: null }
    this.ledger.set(name, entry)
    try {
      const [created] = await client.createTopics({ topics: [{ name, numPartitions: 1 }] })
      entry.fate = 'exists'
      entry.topicId = created!.topicId
      this.counts.created++
    } catch (error) {
      this.#unanswered(error, `create ${name}`)
    }
  }

  async #delete(client: Admin, name: string): Promise<void> {
    const entry = this.ledger.get(name)!
    if (entry.fate !== 'exists') return
    entry.fate = 'deleting'
    try {
      await client.deleteTopics({ topics: [name] })
      entry.fate = 'deleted'
      this.counts.deleted++
    } catch (error) {
      this.#unanswered(error, `delete ${name}`)
    }
  }

  /** Through another node than the one that took the change: what one acknowledged, all must show. */
  async #describe(client: Admin, name: string): Promise<void> {
    const { fate, topicId } = this.ledger.get(name)!
    try {
      const found = (await client.listTopics()).filter(topic => topic.name === name)
      this.counts.described++
      if (fate === 'exists')
        assert.deepEqual(
          found.map(topic => topic.topicId),
          [topicId],
          `${name} as acknowledged`,
        )
    } catch (error) {
      this.#unanswered(error, `list ${name}`)
    }
  }

  /** What may happen to a request while nodes die: no answer in time. Everything else is a failure of the test. */
  #unanswered(error: unknown, what: string): void {
    const code = (error as { code?: string }).code
    const passing = ['REQUEST_TIMED_OUT', 'NETWORK_EXCEPTION', 'NOT_CONTROLLER', 'LEADER_NOT_AVAILABLE']
    if (!passing.includes(code ?? '')) throw new Error(`${what}: ${String(error)}`, { cause: error })
    this.counts.unknown++
  }

  /** Every node must tell the same story, and it must be the one the clients were told. */
  async check(): Promise<void> {
    for (const url of this.#urls) {
      const admin = new Admin({ bootstrap: url })
      const topics = await admin.listTopics()
      await admin.close()
      const found = new Map(topics.map(topic => [topic.name, topic.topicId]))
      assert.equal(found.size, topics.length, `no name twice at ${url}`)
      for (const [name, { fate, topicId }] of this.ledger) {
        if (fate === 'exists') assert.equal(found.get(name), topicId, `${name} at ${url}: acknowledged and still there`)
        if (fate === 'deleted') assert.ok(!found.has(name), `${name} at ${url}: deleted and not back`)
      }
      for (const name of found.keys()) assert.ok(this.ledger.has(name), `${name} at ${url}: somebody asked for it`)
    }
  }
}
