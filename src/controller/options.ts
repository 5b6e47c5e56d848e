/** What a controller is opened with. */
import type { ConfigFacts } from '../metadata/alter-configs.ts'
import { defaultLimits, type MetadataLimits, type TopicDefaults } from '../metadata/decision.ts'
import type { Quorum, StateMachine } from '../quorum/types.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import type { ControllerNetwork } from './network.ts'
import { type ControllerRules, soundControllerRules } from './rules.ts'

export interface ControllerOptions {
  readonly nodeId: NodeId
  /** Opens this node's member of the quorum, with the controller's state in it. Called once. */
  readonly quorum: (stateMachine: StateMachine) => Promise<Quorum>
  /** The way to the active controller when it is another node; `null` when there is no other. Default `null`. */
  readonly network?: ControllerNetwork | null
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** What topics get that do not say otherwise. */
  readonly defaults: TopicDefaults
  /** The cluster this node belongs to, if it knows: the start fails when the metadata are another's. */
  readonly clusterId?: string | null
  /** Silence after which a broker is fenced (`broker.session.timeout.ms`). Default 9,000. */
  readonly brokerSessionTimeoutMs?: number
  /**
   * From the closing of a broker's last connection to its being fenced, unless it is heard again
   * (`broker.gone.grace.ms`). Default 500: several attempts to connect again.
   */
  readonly brokerGoneGraceMs?: number
  /** How long a request waits for the quorum at most; its own timeout may only be shorter. Default 30,000. */
  readonly requestTimeoutMs?: number
  /**
   * How long a request waits for somebody to lead before it is refused with `NOT_CONTROLLER`: a few elections, and
   * less than a client waits for a node before it asks another. Default 4,000.
   */
  readonly leaderWaitMs?: number
  /** How often preferred leaders are given back what they should lead; `null`: never. Default `null`. */
  readonly leaderBalanceIntervalMs?: number | null
  readonly limits?: Partial<MetadataLimits>
  /** Which broker configs may be altered at run time. By default none. */
  readonly validateBrokerConfig?: ConfigFacts['validateBrokerConfig']
  /** Default `soundControllerRules`. */
  readonly rules?: ControllerRules
  /** Ends the wait for the cluster to have a leader and an id. */
  readonly signal?: AbortSignal
}

export type ControllerSettings = Required<Omit<ControllerOptions, 'quorum' | 'network' | 'signal' | 'limits'>> & {
  readonly limits: MetadataLimits
}

export function settingsOf(options: ControllerOptions): ControllerSettings {
  const refuseAll: ConfigFacts['validateBrokerConfig'] = key => ({
    error: 'INVALID_CONFIG',
    message: `Broker config ${key} cannot be altered at run time.`,
  })
  const { rules = soundControllerRules } = options
  return {
    nodeId: options.nodeId,
    clock: options.clock,
    random: options.random,
    logger: options.logger,
    defaults: rules.electsOnlyEligible ? options.defaults : { ...options.defaults, isUncleanAllowed: true },
    clusterId: options.clusterId ?? null,
    brokerSessionTimeoutMs: options.brokerSessionTimeoutMs ?? 9_000,
    brokerGoneGraceMs: options.brokerGoneGraceMs ?? 500,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    leaderWaitMs: options.leaderWaitMs ?? 4_000,
    leaderBalanceIntervalMs: options.leaderBalanceIntervalMs ?? null,
    rules,
    limits: { ...defaultLimits, ...options.limits },
    validateBrokerConfig: options.validateBrokerConfig ?? refuseAll,
  }
}
