/**
 * The controller of one node: a state machine on a quorum. While its quorum leads it decides and watches over brokers;
 * always it holds a replica of the metadata, publishes it, and brings requests to whoever leads. This file wires the
 * parts; each rule is elsewhere.
 */
import type { BrokerRegistration, PartitionPlace } from '../metadata/brokers.ts'
import type { MetadataImage, MetadataSource } from '../metadata/image.ts'
import type { Api } from '../protocol/api.ts'
import { brokerHeartbeat, brokerRegistration, readIndex } from '../protocol/apis/index.ts'
import type { Quorum, QuorumStatus } from '../quorum/types.ts'
import { AssertionError, ConfigError } from '../util/errors.ts'
import { type BrokerEpoch, type NodeId, type Term, toBrokerEpoch, toLogIndex } from '../util/numbers.ts'
import { ActiveController } from './active-controller.ts'
import { CurrentReads } from './current-reads.ts'
import { Forwarder } from './forwarder.ts'
import { MetadataStateMachine } from './metadata-state-machine.ts'
import type { ControllerNetwork } from './network.ts'
import { type ControllerOptions, type ControllerSettings, settingsOf } from './options.ts'
import { Readiness } from './readiness.ts'
import { isChange } from './requests.ts'
import type { BrokerWants, Controller } from './types.ts'

/** How long an answer from another node waits until it can be seen here. */
const visibleTimeoutMs = 2_000

/**
 * Opens the quorum and waits until the cluster has an id and a leader, which takes a majority of the voters. Rejects with
 * `ConfigError` when the metadata belong to another cluster than `options.clusterId`, `AbortError` when `options.signal`
 * ends the wait, and whatever opening the quorum rejects with; nothing is left open then.
 */
export async function openController(options: ControllerOptions): Promise<Controller> {
  const stateMachine = new MetadataStateMachine()
  const quorum = await options.quorum(stateMachine)
  const controller = new QuorumController(settingsOf(options), stateMachine, quorum, options.network ?? null)
  try {
    await controller.started(options.signal ?? null)
    return controller
  } catch (error) {
    await controller[Symbol.asyncDispose]()
    throw error
  }
}

class QuorumController implements Controller {
  readonly metadata: MetadataSource
  readonly #settings: ControllerSettings
  readonly #stateMachine: MetadataStateMachine
  readonly #quorum: Quorum
  readonly #active: ActiveController
  readonly #forwarder: Forwarder
  readonly #reads: CurrentReads
  readonly #readiness: Readiness
  readonly #leaderListeners = new Set<(leaderId: NodeId | null) => void>()
  readonly #forgetNetwork: () => void
  #closing: Promise<void> | null = null

  constructor(
    settings: ControllerSettings,
    stateMachine: MetadataStateMachine,
    quorum: Quorum,
    network: ControllerNetwork | null,
  ) {
    this.#settings = settings
    this.#stateMachine = stateMachine
    this.#quorum = quorum
    this.metadata = stateMachine
    const committed = () => stateMachine.image()
    this.#active = new ActiveController({ settings, quorum, committed })
    this.#forwarder = new Forwarder({ settings, local: this.#active, network, status: () => quorum.status() })
    this.#reads = new CurrentReads({
      clock: settings.clock,
      readIndex: async timeoutMs => toLogIndex((await this.#forwarder.request(readIndex, { timeoutMs })).index),
      appliedIndex: () => quorum.status().appliedIndex,
      committed,
      timeoutMs: settings.requestTimeoutMs,
    })
    this.#readiness = new Readiness(() => this.#isReady())
    this.#forgetNetwork = network === null ? () => {} : this.#watch(network)
    stateMachine.onSkipped(index => this.#active.writer.onSkipped(index))
    quorum.onApplied(index => {
      this.#reads.onApplied(index)
      this.#readiness.look()
    })
    quorum.onLeader(leaderId => this.#onLeader(leaderId))
    quorum.onLeadership(term => this.#onLeadership(term))
  }

  get clusterId(): string {
    const { clusterId } = this.#stateMachine.image()
    if (clusterId === null) throw new AssertionError('an open controller knows its cluster')
    return clusterId
  }

  status(): QuorumStatus {
    return this.#quorum.status()
  }

  leaderId(): NodeId | null {
    return this.#quorum.status().leaderId
  }

  onLeader(listener: (leaderId: NodeId | null) => void): () => void {
    this.#leaderListeners.add(listener)
    return () => this.#leaderListeners.delete(listener)
  }

  async request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response> {
    const response = await this.#forwarder.request(api, body)
    // Whoever was told that it is done must find it done on this node, too. If that takes long, it is done all the same.
    if (isChange(api) && !this.#active.isActive) await this.currentImage(visibleTimeoutMs).catch(() => {})
    return response
  }

  answer<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response> {
    return this.#active.answer(api, body)
  }

  async currentImage(timeoutMs = this.#settings.requestTimeoutMs): Promise<MetadataImage> {
    if (!this.#settings.rules.provesReads) return this.#stateMachine.image()
    return this.#reads.image(Math.min(timeoutMs, this.#settings.requestTimeoutMs))
  }

  async registerBroker(registration: BrokerRegistration): Promise<BrokerEpoch> {
    const { epoch } = await this.#forwarder.request(brokerRegistration, {
      ...registration,
      previousEpoch: registration.previousEpoch ?? -1,
    })
    return toBrokerEpoch(epoch)
  }

  heartbeat(
    nodeId: NodeId,
    epoch: BrokerEpoch,
    wants: BrokerWants,
    offline: readonly PartitionPlace[] = [],
  ): Promise<{ isFenced: boolean; mayStop: boolean }> {
    const offlinePartitions = offline.map(({ topicId, partition }) => ({ topicId, partition }))
    const isWanted = { wantsShutdown: wants === 'shutdown', wantsFence: wants === 'fence' }
    return this.#forwarder.request(brokerHeartbeat, { nodeId, epoch, ...isWanted, offlinePartitions })
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Resolves once the cluster is founded and has a leader that can be asked; rejects when it is not this node's. */
  async started(signal: AbortSignal | null): Promise<void> {
    await this.#readiness.wait(signal)
    if (!this.#isForeign(this.clusterId)) return
    const message = `the data in log.dirs belong to cluster ${this.#settings.clusterId}, but the controllers that answer are of cluster ${this.clusterId}: log.dirs or controller.quorum.voters is another cluster's`
    throw new ConfigError('log.dirs', message)
  }

  /** The cluster is founded, and somebody else leads, or this node does and is ready to; or it is another's cluster. */
  #isReady(): boolean {
    const { clusterId } = this.#stateMachine.image()
    if (clusterId === null) return false
    if (this.#isForeign(clusterId)) return true
    const leaderId = this.leaderId()
    return leaderId === this.#settings.nodeId ? this.#active.isActive : leaderId !== null
  }

  #isForeign(clusterId: string): boolean {
    return this.#settings.clusterId !== null && this.#settings.clusterId !== clusterId
  }

  /** Returns the way to stop. */
  #watch(network: ControllerNetwork): () => void {
    const { brokers } = this.#active
    const stops = [
      network.onReached(nodeId => brokers.onReached(nodeId)),
      network.onGone(nodeId => brokers.onGone(nodeId)),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  #onLeader(leaderId: NodeId | null): void {
    this.#forwarder.onLeader(leaderId)
    this.#readiness.look()
    for (const listener of [...this.#leaderListeners]) listener(leaderId)
  }

  #onLeadership(term: Term | null): void {
    if (term === null) this.#active.resign()
    else this.#active.lead(term)
    this.#readiness.look()
  }

  async #close(): Promise<void> {
    this.#forgetNetwork()
    this.#active.close()
    await this.#quorum[Symbol.asyncDispose]()
    this.#forwarder.close()
  }
}
