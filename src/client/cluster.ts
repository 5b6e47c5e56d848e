/**
 * The client's view of the cluster: topics, who leads what, and the nodes. The view is fetched from any node that
 * answers, single-flight; it goes stale at any time, and whoever gets an error that says so asks for a refresh. Leader
 * epochs only move forward: a node that lags cannot turn the view back (KIP-320).
 */

import type { ResponseOf } from '../protocol/api.ts'
import { metadata } from '../protocol/apis/index.ts'
import { limits } from '../protocol/common.ts'
import { ApiError, type ErrorName, errorName, errorTable } from '../protocol/errors.ts'
import type { Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'
import type { Connect, Connection } from './connection.ts'
import { Nodes } from './nodes.ts'
import { type ClientSettings, normalUrl } from './options.ts'
import { backoffDelayMs, sleep } from './wait.ts'

export interface PartitionMetadata {
  readonly partition: number
  /** -1 for none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offlineReplicas: readonly number[]
}

export interface TopicMetadata {
  readonly name: string
  readonly topicId: string | null
  readonly isInternal: boolean
  /** Indexed by partition. */
  readonly partitions: readonly PartitionMetadata[]
}

export type MetadataResponse = ResponseOf<typeof metadata>

export interface ClusterOptions {
  /** Asks the node to create topics it does not know, which it does if its configuration says so. */
  readonly allowAutoTopicCreation: boolean
}

export class Cluster {
  readonly settings: ClientSettings
  readonly nodes: Nodes
  readonly #allowAutoTopicCreation: boolean
  readonly #closing = new AbortController()
  #controllerId = -1
  #clusterId: string | null = null
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #topicErrors = new Map<string, ErrorName>()
  /** Topics every refresh asks for. */
  readonly #wanted = new Set<string>()
  #refreshing: { wantedCount: number; promise: Promise<void> } | null = null
  #freshTimer: Timer | null = null
  readonly #listeners: Array<() => void> = []

  constructor(settings: ClientSettings, connect: Connect, options: ClusterOptions) {
    this.settings = settings
    this.nodes = new Nodes(settings, connect)
    this.#allowAutoTopicCreation = options.allowAutoTopicCreation
  }

  /** Calls `listener` after every refresh that went well. */
  onUpdate(listener: () => void): void {
    this.#listeners.push(listener)
  }

  get clusterId(): string | null {
    return this.#clusterId
  }

  topic(name: string): TopicMetadata | null {
    return this.#topics.get(name) ?? null
  }

  /** The partition with a leader whose address is known; `null` otherwise. */
  leader(topic: string, partition: number): PartitionMetadata | null {
    const found = this.#topics.get(topic)?.partitions[partition]
    return found !== undefined && this.nodes.isKnown(found.leaderId) ? found : null
  }

  /** Makes every refresh ask for `topic` from now on. */
  want(topic: string): void {
    this.#wanted.add(topic)
  }

  /** Fetches the view once. Callers at the same time share one request. Rejects when no node answers. */
  refresh(): Promise<void> {
    const current = this.#refreshing
    // A request under way does not ask for a topic that became wanted after it left.
    if (current !== null && current.wantedCount === this.#wanted.size) return current.promise
    const before = current === null ? Promise.resolve() : current.promise.catch(() => {})
    const promise = before.then(async () => this.#apply(await this.#fetchView()))
    const mine = { wantedCount: this.#wanted.size, promise }
    this.#refreshing = mine
    const done = (): void => {
      if (this.#refreshing === mine) this.#refreshing = null
      this.#keepFresh()
    }
    promise.then(done, done)
    return promise
  }

  /**
   * The metadata of `topics` (`null`: all) with everything that any node had acknowledged before the call, which takes a
   * node that reaches a majority of the controllers; the view is not changed.
   */
  fetchMetadata(topics: string[] | null): Promise<MetadataResponse> {
    return this.askAny(connection => this.#requestMetadata(connection, topics, this.readTimeoutMs))
  }

  /** What the view asks for, as some node has seen it committed: quick, and perhaps a little old. */
  #fetchView(): Promise<MetadataResponse> {
    return this.nodes.askInTurn(connection => this.#requestMetadata(connection, this.#names(), 0))
  }

  #requestMetadata(connection: Connection, topics: string[] | null, readTimeoutMs: number): Promise<MetadataResponse> {
    const body = { topics, allowAutoTopicCreation: this.#allowAutoTopicCreation, readTimeoutMs }
    return connection.request(metadata, body, { timeoutMs: this.readTimeoutMs, signal: this.#closing.signal })
  }

  /**
   * How long one node is waited for: a node that accepts connections and answers nothing must not hold up the search for
   * one that does.
   */
  get readTimeoutMs(): number {
    return Math.min(this.settings.requestTimeoutMs, this.settings.connectTimeoutMs)
  }

  /** Asks any node, and another one next time when this one is of no use. */
  async askAny<S>(ask: (connection: Connection) => Promise<S>): Promise<S> {
    return this.#ask(await this.nodes.connectToAny(), ask)
  }

  /**
   * Asks the active controller if it can be reached, else any node, as `askAny`. A controller that is no broker has no
   * address for clients: any node asks it for them.
   */
  async askController<S>(ask: (connection: Connection) => Promise<S>): Promise<S> {
    const controllerId = this.#controllerId
    if (this.nodes.isUnreachable(controllerId)) return this.askAny(ask)
    try {
      return await this.askNode(controllerId, ask)
    } catch (error) {
      // Until a refresh names one again: any node knows better who leads than a view that was just of no use.
      if (isRetriable(error) && this.#controllerId === controllerId) this.#controllerId = -1
      throw error
    }
  }

  /** Asks a broker if its address is known, else any node, as `askAny`. */
  async askNode<S>(nodeId: number, ask: (connection: Connection) => Promise<S>): Promise<S> {
    const { nodes } = this
    return this.#ask(await (nodes.isKnown(nodeId) ? nodes.connectTo(nodeId) : nodes.connectToAny()), ask)
  }

  async #ask<S>(connection: Connection, ask: (connection: Connection) => Promise<S>): Promise<S> {
    try {
      return await ask(connection)
    } catch (error) {
      // It does not answer, or it is cut off from those who decide.
      if (error instanceof ApiError && (error.code === 'REQUEST_TIMED_OUT' || error.code === 'NOT_CONTROLLER')) {
        this.nodes.discard(connection)
      }
      throw error
    }
  }

  /**
   * The topic's metadata, fetched until it is there. Rejects after `metadataTimeoutMs` with what stood in the way
   * last (`UNKNOWN_TOPIC_OR_PARTITION`, `NETWORK_EXCEPTION`), at once with what will not change, and with
   * `UNKNOWN_TOPIC_OR_PARTITION` as soon as that is certain and nobody creates topics on the way.
   */
  async topicReady(name: string): Promise<TopicMetadata> {
    const { clock, random, metadataTimeoutMs } = this.settings
    const deadlineMs = clock.nowMs() + metadataTimeoutMs
    this.want(name)
    for (let failures = 1; ; failures++) {
      const error = await this.#refreshError(name)
      const topic = this.#topics.get(name)
      if (topic !== undefined) return topic
      if (!isRetriable(error) || clock.nowMs() >= deadlineMs || (await this.#isMissing(name, error))) throw error
      await sleep(clock, backoffDelayMs(this.settings, failures, random), this.#closing.signal)
    }
  }

  /** Whether the topic is known not to be there: the node that said so may only have been behind. */
  async #isMissing(name: string, error: unknown): Promise<boolean> {
    if (this.#allowAutoTopicCreation || (error as ApiError).code !== 'UNKNOWN_TOPIC_OR_PARTITION') return false
    try {
      const { topics } = await this.fetchMetadata([name])
      return topics.some(topic => topic.name === name && errorName(topic.errorCode) === 'UNKNOWN_TOPIC_OR_PARTITION')
    } catch (failure) {
      if (isRetriable(failure)) return false
      throw failure
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new AbortError('the client is closed'))
    this.#freshTimer?.cancel()
    await this.nodes.close()
  }

  /** What a refresh asks for: everything when it is more than a request can name. */
  #names(): string[] | null {
    return this.#wanted.size > limits.items ? null : [...this.#wanted]
  }

  /** Refreshes, and says why `name` is still not known. */
  async #refreshError(name: string): Promise<unknown> {
    try {
      await this.refresh()
    } catch (error) {
      return error
    }
    const code = this.#topicErrors.get(name) ?? 'UNKNOWN_TOPIC_OR_PARTITION'
    return new ApiError(code, `topic '${name}': ${errorTable[code].message}`)
  }

  #apply(response: MetadataResponse): void {
    this.#clusterId = response.clusterId
    this.#controllerId = response.controllerId
    this.nodes.set(new Map(response.brokers.map(broker => [broker.nodeId, normalUrl(broker.url)])))
    for (const topic of response.topics) {
      const code = errorName(topic.errorCode)
      if (code === null) {
        this.#topicErrors.delete(topic.name)
        this.#topics.set(topic.name, merge(this.#topics.get(topic.name), topic))
      } else {
        this.#topicErrors.set(topic.name, code)
        if (code === 'UNKNOWN_TOPIC_OR_PARTITION') this.#topics.delete(topic.name)
      }
    }
    for (const listener of this.#listeners) listener()
  }

  /** Arms the next periodic refresh; one that fails is simply the turn of the next. */
  #keepFresh(): void {
    this.#freshTimer?.cancel()
    if (this.#closing.signal.aborted || this.#wanted.size === 0) return
    this.#freshTimer = this.settings.clock.setTimer(this.settings.metadataMaxAgeMs, () => {
      this.refresh().catch(() => {})
    })
  }
}

/** Network trouble and everything the error table calls retriable. */
export function isRetriable(error: unknown): boolean {
  return error instanceof ApiError && error.isRetriable
}

function merge(known: TopicMetadata | undefined, topic: MetadataResponse['topics'][number]): TopicMetadata {
  const partitions: PartitionMetadata[] = []
  for (const fresh of topic.partitions) {
    const old = known?.topicId === topic.topicId ? known.partitions[fresh.partition] : undefined
    partitions[fresh.partition] = old !== undefined && old.leaderEpoch > fresh.leaderEpoch ? old : fresh
  }
  return { name: topic.name, topicId: topic.topicId, isInternal: topic.isInternal, partitions }
}
