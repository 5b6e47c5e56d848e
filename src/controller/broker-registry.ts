/** What the active controller does about brokers: lets them in, hears them, fences those that are silent. */
import {
  type BrokerRegistration,
  decideFence,
  decideHeard,
  decideOffline,
  decideRegisterBroker,
  decideShutdown,
  registeredBroker,
} from '../metadata/brokers.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import type { Decision } from '../metadata/decision.ts'
import type { ElectionTerms } from '../metadata/election.ts'
import type { BrokerImage } from '../metadata/image.ts'
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { brokerHeartbeat } from '../protocol/apis/index.ts'
import { ApiError, isFailure } from '../protocol/errors.ts'
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
    const { limits, defaults, rules, logger } = this.#settings
    const epoch = await this.#writer.submit(image => {
      const facts = { ...defaults, limits, rules, isHeard: this.#sessions.isHeard(nodeId) }
      const decision = decideRegisterBroker(image, registration, facts)
      // From here on another process of that id is refused, also while this registration is on its way.
      if (!isFailure(decision)) this.#sessions.heard(nodeId)
      return decision
    }, this.#settings.requestTimeoutMs)
    logger.info({ nodeId, epoch, url: registration.url }, 'broker registered')
    return epoch
  }

  async heartbeat(request: RequestOf<typeof brokerHeartbeat>): Promise<ResponseOf<typeof brokerHeartbeat>> {
    const [nodeId, epoch] = [toNodeId(request.nodeId), toBrokerEpoch(request.epoch)]
    const broker = registeredBroker(this.#committed(), nodeId, epoch)
    if (isFailure(broker)) throw new ApiError(broker.error, broker.message)
    this.#sessions.heard(nodeId)
    if (request.wantsShutdown) {
      const { mayStop } = await this.#change(nodeId, epoch, decideShutdown)
      return { isFenced: broker.isFenced, mayStop }
    }
    const { offlinePartitions } = request
    if (offlinePartitions.length > 0) {
      await this.#change(nodeId, epoch, (image, now, defaults) =>
        decideOffline(image, now, offlinePartitions, defaults),
      )
      this.#settings.logger.warn({ nodeId, epoch, offlinePartitions }, 'the disk of a broker failed partitions')
    }
    const isUnfit = request.wantsFence
    if (broker.isFenced || broker.isUnfit !== isUnfit) {
      await this.#change(nodeId, epoch, (image, now, defaults) => decideHeard(image, now, isUnfit, defaults))
      this.#settings.logger.info({ nodeId, epoch, isUnfit }, isUnfit ? 'broker is unfit' : 'broker serves again')
    }
    return { isFenced: isUnfit, mayStop: false }
  }

  #fenceSilentBrokers(): void {
    if (!this.#settings.rules.fencesSilentBrokers) return
    for (const { nodeId, epoch } of this.#sessions.silent(this.#committed().brokers.values())) {
      this.#settings.logger.warn({ nodeId, epoch }, 'broker is silent; fencing it')
      const isStillSilent = (): boolean => this.#sessions.isSilent(nodeId)
      this.#change(nodeId, epoch, (image, broker, defaults) =>
        isStillSilent() ? decideFence(image, broker, defaults) : { records: [], response: null },
      ).catch((error: unknown) => {
        this.#settings.logger.warn({ nodeId, error: String(error) }, 'the broker is not fenced yet')
      })
    }
  }

  #change<Response>(
    nodeId: NodeId,
    epoch: BrokerEpoch,
    decide: (image: ClusterImage, broker: BrokerImage, defaults: ElectionTerms) => Decision<Response>,
  ): Promise<Response> {
    const { defaults, requestTimeoutMs } = this.#settings
    return this.#writer.submit(image => {
      const broker = registeredBroker(image, nodeId, epoch)
      return isFailure(broker) ? broker : decide(image, broker, defaults)
    }, requestTimeoutMs)
  }
}
