/** What the active controller does about brokers: lets them in, hears them, fences those that are silent. */
import {
  type BrokerRegistration,
  decideDrain,
  decideFence,
  decideRegisterBroker,
  decideUnfence,
} from '../metadata/brokers.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import type { BrokerImage } from '../metadata/image.ts'
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { brokerHeartbeat } from '../protocol/apis/index.ts'
import { ApiError, type Failure } from '../protocol/errors.ts'
import { type BrokerEpoch, type NodeId, toBrokerEpoch, toNodeId } from '../util/numbers.ts'
import { BrokerSessions } from './broker-sessions.ts'
import type { DecisionWriter } from './decision-writer.ts'
import type { ControllerSettings } from './options.ts'

export class BrokerRegistry {
  readonly #settings: ControllerSettings
  readonly #committed: () => ClusterImage
  readonly #writer: DecisionWriter
  readonly #sessions: BrokerSessions

  constructor(settings: ControllerSettings, committed: () => ClusterImage, writer: DecisionWriter) {
    this.#settings = settings
    this.#committed = committed
    this.#writer = writer
    this.#sessions = new BrokerSessions({
      clock: settings.clock,
      sessionTimeoutMs: settings.brokerSessionTimeoutMs,
      goneGraceMs: settings.brokerGoneGraceMs,
      onCheck: () => this.#fenceSilentBrokers(),
    })
  }

  /** This node leads. */
  start(): void {
    this.#sessions.start()
  }

  stop(): void {
    this.#sessions.stop()
  }

  /** There is a connection to this node, for the first time or again. */
  onReached(nodeId: NodeId): void {
    this.#sessions.reached(nodeId)
  }

  /** The last connection from this node is gone. */
  onGone(nodeId: NodeId): void {
    this.#sessions.gone(nodeId)
  }

  async register(registration: BrokerRegistration): Promise<BrokerEpoch> {
    const { nodeId } = registration
    const { limits, defaults, logger } = this.#settings
    const epoch = await this.#writer.submit(image => {
      const isHeard = this.#sessions.isHeard(nodeId)
      const facts = { limits, isHeard, minInsyncReplicas: defaults.minInsyncReplicas }
      const decision = decideRegisterBroker(image, registration, facts)
      // From here on another process of that id is refused, also while this registration is on its way.
      if ('records' in decision) this.#sessions.heard(nodeId)
      return decision
    }, this.#settings.requestTimeoutMs)
    logger.info({ nodeId, epoch, url: registration.url }, 'broker registered')
    return epoch
  }

  async heartbeat(request: RequestOf<typeof brokerHeartbeat>): Promise<ResponseOf<typeof brokerHeartbeat>> {
    const [nodeId, epoch] = [toNodeId(request.nodeId), toBrokerEpoch(request.epoch)]
    const broker = currentBroker(this.#committed(), nodeId, epoch)
    if (!('nodeId' in broker)) throw new ApiError(broker.error, broker.message)
    this.#sessions.heard(nodeId)
    if (request.wantsShutdown) {
      await this.#change(nodeId, epoch, decideDrain)
      return { isFenced: broker.isFenced, mayStop: true }
    }
    if (broker.isFenced) await this.#change(nodeId, epoch, decideUnfence)
    return { isFenced: false, mayStop: false }
  }

  #fenceSilentBrokers(): void {
    for (const { nodeId, epoch } of this.#sessions.silent(this.#committed().brokers.values())) {
      this.#settings.logger.warn({ nodeId, epoch }, 'broker is silent; fencing it')
      const isStillSilent = (): boolean => this.#sessions.isSilent(nodeId)
      this.#change(nodeId, epoch, (now, broker, facts) =>
        isStillSilent() ? decideFence(now, broker, facts) : { records: [], response: null },
      ).catch((error: unknown) => {
        this.#settings.logger.warn({ nodeId, error: String(error) }, 'the broker is not fenced yet')
      })
    }
  }

  async #change(nodeId: NodeId, epoch: BrokerEpoch, decide: typeof decideFence): Promise<void> {
    const facts = { minInsyncReplicas: this.#settings.defaults.minInsyncReplicas }
    await this.#writer.submit(image => {
      const broker = currentBroker(image, nodeId, epoch)
      return 'nodeId' in broker ? decide(image, broker, facts) : broker
    }, this.#settings.requestTimeoutMs)
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
