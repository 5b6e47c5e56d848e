/**
 * What this node does as the active controller: founds the cluster's metadata, decides, watches over brokers, changes the
 * quorum. It answers for itself only, `NOT_CONTROLLER` while another leads or nobody: who is asked elsewhere is the
 * forwarder's business, so that a request never wanders through several nodes.
 */
import { decideAlterPartition } from '../metadata/alter-partition.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import { decideBalance } from '../metadata/elect-leaders.ts'
import { featureLevelMax } from '../metadata/record-types.ts'
import type { Api } from '../protocol/api.ts'
import {
  addRaftVoter,
  alterPartition,
  brokerHeartbeat,
  brokerRegistration,
  describeQuorum,
  readIndex,
  removeRaftVoter,
  transferLeadership,
} from '../protocol/apis/index.ts'
import { ApiError } from '../protocol/errors.ts'
import type { Quorum } from '../quorum/types.ts'
import { type NodeId, type Term, toBrokerEpoch, toNodeId } from '../util/numbers.ts'
import { BrokerRegistry } from './broker-registry.ts'
import { type Decide, DecisionWriter, notController } from './decision-writer.ts'
import { quorumDescription } from './describe-quorum.ts'
import { balanceElectionsMax, LeaderBalance } from './leader-balance.ts'
import type { ControllerSettings } from './options.ts'
import { adminApis, decisionFor, newUuid, timeoutFor } from './requests.ts'

/** Pause before the first record of a cluster is tried again. */
const bootstrapRetryMs = 250

type Answer = (body: unknown) => Promise<unknown>

export interface ActiveControllerOptions {
  readonly settings: ControllerSettings
  readonly quorum: Quorum
  readonly committed: () => ClusterImage
}

export class ActiveController {
  readonly #settings: ControllerSettings
  readonly #quorum: Quorum
  readonly #committed: () => ClusterImage
  readonly #writer: DecisionWriter
  readonly #brokers: BrokerRegistry
  readonly #balance: LeaderBalance
  readonly #answers = new Map<number, Answer>()

  constructor({ settings, quorum, committed }: ActiveControllerOptions) {
    this.#settings = settings
    this.#quorum = quorum
    this.#committed = committed
    const { clock, logger, rules } = settings
    this.#writer = new DecisionWriter({ quorum, committed, clock, logger, rules })
    this.#brokers = new BrokerRegistry(settings, committed, this.#writer)
    this.#balance = new LeaderBalance({
      clock,
      logger,
      intervalMs: settings.leaderBalanceIntervalMs,
      balance: () =>
        this.#writer.submit(
          image => decideBalance(image, settings.defaults, balanceElectionsMax),
          settings.requestTimeoutMs,
        ),
    })
    this.#serveAdmin()
    this.#serveBrokers()
    this.#serveQuorum()
  }

  get writer(): DecisionWriter {
    return this.#writer
  }

  get brokers(): BrokerRegistry {
    return this.#brokers
  }

  /** This node leads and has applied everything before its term. */
  get isActive(): boolean {
    return this.#writer.reign !== null
  }

  lead(term: Term): void {
    const { logger, nodeId } = this.#settings
    logger.info({ nodeId, term }, 'active controller')
    this.#writer.lead(term)
    this.#brokers.start()
    this.#balance.start()
    if (this.#committed().clusterId === null) this.#bootstrap()
  }

  resign(): void {
    const { logger, nodeId } = this.#settings
    logger.info({ nodeId, leaderId: this.#quorum.status().leaderId }, 'not the active controller any more')
    this.#brokers.stop()
    this.#balance.stop()
    this.#writer.resign()
  }

  close(): void {
    this.#brokers.stop()
    this.#balance.stop()
    this.#writer.close()
  }

  /** Rejects with `NOT_CONTROLLER` when this node does not lead, `INVALID_REQUEST` for what no controller serves. */
  async answer<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response> {
    const answer = this.#answers.get(api.key)
    if (answer === undefined) throw new ApiError('INVALID_REQUEST', `${api.name} is not a request for the controller.`)
    if (!this.isActive) throw notController(this.#quorum.status())
    return (await answer(body)) as Response
  }

  #serve<Request, Response>(api: Api<Request, Response>, answer: (body: Request) => Promise<Response>): void {
    this.#answers.set(api.key, answer as Answer)
  }

  #serveAdmin(): void {
    for (const api of adminApis) {
      this.#serve(api, body =>
        this.#writer.submit(decisionFor(api, body, this.#settings), timeoutFor(api, body, this.#settings)),
      )
    }
  }

  #serveBrokers(): void {
    const settings = this.#settings
    const { rules } = settings
    this.#serve(brokerRegistration, async body => {
      const epoch = await this.#brokers.register({
        ...body,
        nodeId: toNodeId(body.nodeId),
        previousEpoch: body.previousEpoch === -1 ? null : toBrokerEpoch(body.previousEpoch),
      })
      return { epoch }
    })
    this.#serve(brokerHeartbeat, body => this.#brokers.heartbeat(body))
    this.#serve(alterPartition, body =>
      this.#writer.submit(
        image => decideAlterPartition(image, body, { ...settings.defaults, rules }),
        timeoutFor(alterPartition, body, settings),
      ),
    )
  }

  #serveQuorum(): void {
    const quorum = this.#quorum
    this.#serve(readIndex, async body => {
      await quorum.readBarrier(timeoutFor(readIndex, body, this.#settings))
      return { index: quorum.status().appliedIndex }
    })
    this.#serve(describeQuorum, async body => {
      await quorum.readBarrier(timeoutFor(describeQuorum, body, this.#settings))
      return quorumDescription(this.#committed().clusterId ?? '', quorum.status(), this.#settings.clock)
    })
    this.#serve(addRaftVoter, async body => {
      await quorum.addVoter(toNodeId(body.id), body.url, timeoutFor(addRaftVoter, body, this.#settings))
      return {}
    })
    this.#serve(removeRaftVoter, async body => {
      await quorum.removeVoter(toNodeId(body.id), timeoutFor(removeRaftVoter, body, this.#settings))
      return {}
    })
    this.#serve(transferLeadership, async body => {
      const to: NodeId | null = body.to === null ? null : toNodeId(body.to)
      return { leaderId: await quorum.transfer(to, timeoutFor(transferLeadership, body, this.#settings)) }
    })
  }

  /** Tried again as long as this node leads: a leader that lost the race must not leave metadata without an id. */
  #bootstrap(): void {
    const { clock, logger, random, requestTimeoutMs } = this.#settings
    // A quorum that was not founded by its members' disks (a core under a test) has no id of its own.
    const clusterId = this.#quorum.status().clusterId ?? this.#settings.clusterId ?? newUuid(random)
    const decide: Decide<null> = image => ({
      records: image.clusterId === null ? [{ kind: 'bootstrap', clusterId, featureLevel: featureLevelMax }] : [],
      response: null,
    })
    this.#writer.submit(decide, requestTimeoutMs).catch((error: unknown) => {
      logger.warn({ error: String(error) }, 'the first record of the cluster was not committed')
      clock.setTimer(bootstrapRetryMs, () => {
        if (this.isActive && this.#committed().clusterId === null) this.#bootstrap()
      })
    })
  }
}
