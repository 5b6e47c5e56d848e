/**
 * The controller of one node: a state machine on a quorum. While its quorum leads it decides and watches over brokers;
 * always it holds a replica of the metadata and publishes it. This file wires the parts; each rule is elsewhere.
 */
import {
  type BrokerRegistration,
  decideDrain,
  decideFence,
  decideRegisterBroker,
  decideUnfence,
} from '../metadata/brokers.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import type { BrokerImage, MetadataImage, MetadataSource } from '../metadata/image.ts'
import { featureLevelMax } from '../metadata/record-types.ts'
import type { Api } from '../protocol/api.ts'
import { describeQuorum } from '../protocol/apis/index.ts'
import { ApiError, type Failure } from '../protocol/errors.ts'
import type { Quorum, QuorumStatus } from '../quorum/types.ts'
import { AssertionError, ConfigError } from '../util/errors.ts'
import type { BrokerEpoch, NodeId, Term } from '../util/numbers.ts'
import { BrokerSessions } from './broker-sessions.ts'
import { type Decide, DecisionWriter, notController } from './decision-writer.ts'
import { quorumDescription } from './describe-quorum.ts'
import { MetadataStateMachine } from './metadata-state-machine.ts'
import { type ControllerOptions, type ControllerSettings, settingsOf } from './options.ts'
import { Readiness } from './readiness.ts'
import { decisionFor, newUuid } from './requests.ts'
import type { Controller } from './types.ts'

/** Pause before the first record of a cluster is tried again. */
const bootstrapRetryMs = 250

/**
 * Opens the quorum and waits until the cluster has an id and a leader, which takes a majority of the voters. Rejects with
 * `ConfigError` when the metadata belong to another cluster than `options.clusterId`, `AbortError` when `options.signal`
 * ends the wait, and whatever opening the quorum rejects with; nothing is left open then.
 */
export async function openController(options: ControllerOptions): Promise<Controller> {
  const stateMachine = new MetadataStateMachine()
  const quorum = await options.quorum(stateMachine)
  const controller = new QuorumController(settingsOf(options), stateMachine, quorum)
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
  readonly #writer: DecisionWriter
  readonly #sessions: BrokerSessions
  readonly #readiness: Readiness
  #closing: Promise<void> | null = null

  constructor(settings: ControllerSettings, stateMachine: MetadataStateMachine, quorum: Quorum) {
    this.#settings = settings
    this.#stateMachine = stateMachine
    this.#quorum = quorum
    this.metadata = stateMachine
    this.#writer = new DecisionWriter({
      quorum,
      committed: () => stateMachine.image(),
      clock: settings.clock,
      logger: settings.logger,
    })
    this.#sessions = new BrokerSessions({
      clock: settings.clock,
      sessionTimeoutMs: settings.brokerSessionTimeoutMs,
      onCheck: () => this.#fenceSilentBrokers(),
    })
    this.#readiness = new Readiness(settings.clock, () => this.#isReady())
    stateMachine.onSkipped(index => this.#writer.onSkipped(index))
    quorum.onLeadership(term => (term === null ? this.#resign() : this.#lead(term)))
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

  async request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response> {
    if (api.key === describeQuorum.key) return (await this.#describeQuorum()) as Response
    const admin = decisionFor(api, body, this.#settings)
    if (admin === null) throw new ApiError('INVALID_REQUEST', `${api.name} is not a request for the controller.`)
    return this.#writer.submit(admin.decide, admin.timeoutMs)
  }

  async currentImage(): Promise<MetadataImage> {
    await this.#quorum.readBarrier(this.#settings.requestTimeoutMs)
    return this.#stateMachine.image()
  }

  async registerBroker(registration: BrokerRegistration): Promise<BrokerEpoch> {
    const { nodeId } = registration
    const { limits, defaults, logger } = this.#settings
    const epoch = await this.#submit(image => {
      const isHeard = this.#sessions.isHeard(nodeId)
      const facts = { limits, isHeard, minInsyncReplicas: defaults.minInsyncReplicas }
      const decision = decideRegisterBroker(image, registration, facts)
      // From here on another process of that id is refused, also while this registration is on its way.
      if ('records' in decision) this.#sessions.heard(nodeId)
      return decision
    })
    logger.info({ nodeId, epoch, url: registration.url }, 'broker registered')
    return epoch
  }

  async heartbeat(
    nodeId: NodeId,
    epoch: BrokerEpoch,
    wantsShutdown: boolean,
  ): Promise<{ isFenced: boolean; mayStop: boolean }> {
    if (this.#writer.reign === null) throw notController(this.leaderId())
    const broker = currentBroker(this.#stateMachine.image(), nodeId, epoch)
    if (!('nodeId' in broker)) throw new ApiError(broker.error, broker.message)
    this.#sessions.heard(nodeId)
    if (wantsShutdown) {
      await this.#changeBroker(nodeId, epoch, decideDrain)
      return { isFenced: broker.isFenced, mayStop: true }
    }
    if (broker.isFenced) await this.#changeBroker(nodeId, epoch, decideUnfence)
    return { isFenced: false, mayStop: false }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Resolves once the cluster is founded and has a leader that can be asked; rejects when it is not this node's. */
  async started(signal: AbortSignal | null): Promise<void> {
    await this.#readiness.wait(signal)
    if (!this.#isForeign(this.clusterId)) return
    const message = `this node belongs to cluster ${this.#settings.clusterId}, but the metadata are of ${this.clusterId}`
    throw new ConfigError('cluster.id', message)
  }

  /** The cluster is founded, and somebody else leads, or this node does and is ready to; or it is another's cluster. */
  #isReady(): boolean {
    const { clusterId } = this.#stateMachine.image()
    if (clusterId === null) return false
    if (this.#isForeign(clusterId)) return true
    const leaderId = this.leaderId()
    return leaderId === this.#settings.nodeId ? this.#writer.reign !== null : leaderId !== null
  }

  #isForeign(clusterId: string): boolean {
    return this.#settings.clusterId !== null && this.#settings.clusterId !== clusterId
  }

  #lead(term: Term): void {
    const { logger, nodeId } = this.#settings
    logger.info({ nodeId, term }, 'active controller')
    this.#writer.lead(term)
    this.#sessions.start()
    if (this.#stateMachine.image().clusterId === null) this.#bootstrap()
    this.#readiness.look()
  }

  #resign(): void {
    const { logger, nodeId } = this.#settings
    logger.info({ nodeId, leaderId: this.leaderId() }, 'not the active controller any more')
    this.#sessions.stop()
    this.#writer.resign()
  }

  /** Tried again as long as this node leads: a leader that lost the race must not leave a cluster without an id. */
  #bootstrap(): void {
    const { clock, logger, random } = this.#settings
    const clusterId = this.#settings.clusterId ?? newUuid(random)
    const decide: Decide<null> = image => ({
      records: image.clusterId === null ? [{ kind: 'bootstrap', clusterId, featureLevel: featureLevelMax }] : [],
      response: null,
    })
    const founded = this.#submit(decide).then(() => this.#readiness.look())
    founded.catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'the first record of the cluster was not committed')
      clock.setTimer(bootstrapRetryMs, () => {
        if (this.#writer.reign !== null && this.#stateMachine.image().clusterId === null) this.#bootstrap()
      })
    })
  }

  #fenceSilentBrokers(): void {
    const image = this.#stateMachine.image()
    for (const { nodeId, epoch } of this.#sessions.silent(image.brokers.values())) {
      this.#settings.logger.warn({ nodeId, epoch }, 'broker is silent; fencing it')
      const isStillSilent = (): boolean => !this.#sessions.isHeard(nodeId)
      this.#changeBroker(nodeId, epoch, (now, broker, facts) =>
        isStillSilent() ? decideFence(now, broker, facts) : { records: [], response: null },
      ).catch((error: unknown) => {
        this.#settings.logger.warn({ nodeId, error: String(error) }, 'the broker is not fenced yet')
      })
    }
  }

  async #changeBroker(nodeId: NodeId, epoch: BrokerEpoch, decide: typeof decideFence): Promise<void> {
    const facts = { minInsyncReplicas: this.#settings.defaults.minInsyncReplicas }
    await this.#submit(image => {
      const broker = currentBroker(image, nodeId, epoch)
      return 'nodeId' in broker ? decide(image, broker, facts) : broker
    })
  }

  async #describeQuorum() {
    await this.#quorum.readBarrier(this.#settings.requestTimeoutMs)
    return quorumDescription(this.clusterId, this.#quorum.status(), this.#settings.clock)
  }

  #submit<Response>(decide: Decide<Response>): Promise<Response> {
    return this.#writer.submit(decide, this.#settings.requestTimeoutMs)
  }

  async #close(): Promise<void> {
    this.#sessions.stop()
    this.#writer.close()
    await this.#quorum[Symbol.asyncDispose]()
  }
}

function currentBroker(image: ClusterImage, nodeId: NodeId, epoch: BrokerEpoch): BrokerImage | Failure {
  const broker = image.brokers.get(nodeId)
  if (broker === undefined) {
    return { error: 'BROKER_ID_NOT_REGISTERED', message: `No broker ${nodeId} is registered.` }
  }
  if (broker.epoch === epoch) return broker
  const message = `Broker ${nodeId} was registered anew: its epoch is ${broker.epoch}, not ${epoch}.`
  return { error: 'STALE_BROKER_EPOCH', message }
}
