/**
 * The requests the active controller serves: those that change metadata with their decisions, and of all of them how long
 * they may take and whether they may be made again when nobody knows what became of them.
 */
import { decideAlterConfigs } from '../metadata/alter-configs.ts'
import { decideAlterReassignments } from '../metadata/alter-reassignments.ts'
import { decideDrainBroker } from '../metadata/brokers.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import { decideCreatePartitions } from '../metadata/create-partitions.ts'
import { decideCreateTopics } from '../metadata/create-topics.ts'
import type { Decision } from '../metadata/decision.ts'
import { decideDeleteTopics } from '../metadata/delete-topics.ts'
import { decideElectLeaders } from '../metadata/elect-leaders.ts'
import { type ClientSession, decideOnce } from '../metadata/sessions.ts'
import type { Api } from '../protocol/api.ts'
import {
  addRaftVoter,
  alterConfigs,
  alterPartition,
  alterPartitionReassignments,
  brokerHeartbeat,
  brokerRegistration,
  createPartitions,
  createTopics,
  deleteTopics,
  describeQuorum,
  drainBroker,
  electLeaders,
  readIndex,
} from '../protocol/apis/index.ts'
import type { Failure } from '../protocol/errors.ts'
import type { Random } from '../util/random.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import type { Decide } from './decision-writer.ts'
import type { ControllerSettings } from './options.ts'

/** Start of a placement: any large range will do, and sums stay far below 2^53. */
const placementStarts = 2 ** 30

interface AdminRequest<Request, Response> {
  readonly api: Api<Request, Response>
  readonly decide: (image: ClusterImage, request: Request, settings: ControllerSettings) => Decision<Response> | Failure
}

type AnyApi = Pick<Api, 'key'>

/** The fields that decide how a request is treated, of those that have them. */
interface AnyRequest {
  readonly session?: ClientSession | null
  readonly validateOnly?: boolean
  /** 0 or less, or none at all, stands for the longest there is. */
  readonly timeoutMs?: number
}

/** A broker says that it lives several times before it counts as silent: one lost on the way must not be waited for. */
const heartbeatsPerTimeout = 3

/** Beside what has a session. An AlterPartition names the epochs it changes. Handing over leadership twice, or removing a voter that is gone, is something else. */
const repeatable: ReadonlySet<number> = new Set(
  [brokerRegistration, brokerHeartbeat, alterPartition, readIndex, describeQuorum, addRaftVoter].map(api => api.key),
)

const adminRequests = new Map<number, AdminRequest<unknown, unknown>>()

serve(createTopics, (image, request, settings) =>
  decideCreateTopics(image, request, {
    ...placementFacts(settings),
    topicIds: request.topics.map(({ name }) => topicIdFor(name, settings)),
  }),
)
serve(deleteTopics, decideDeleteTopics)
serve(createPartitions, (image, request, settings) => decideCreatePartitions(image, request, placementFacts(settings)))
serve(alterConfigs, (image, request, { defaults, rules, validateBrokerConfig }) =>
  decideAlterConfigs(image, request, { ...defaults, rules, validateBrokerConfig }),
)

serve(electLeaders, (image, request, { defaults }) => decideElectLeaders(image, request, defaults))
serve(alterPartitionReassignments, (image, request, { defaults, limits }) =>
  decideAlterReassignments(image, request, { ...defaults, limits }),
)
serve(drainBroker, (image, request, { defaults }) => decideDrainBroker(image, request, defaults))

/** Requests that change metadata. */
export const adminApis: readonly Api[] = [...adminRequests.values()].map(({ api }) => api)

/** How one of `adminApis` is decided: the first time its session shows it, and never again. */
export function decisionFor<Request, Response>(
  api: Api<Request, Response>,
  body: Request,
  settings: ControllerSettings,
): Decide<Response> {
  const admin = adminRequests.get(api.key) as unknown as AdminRequest<Request, Response>
  const { session = null, validateOnly } = body as AnyRequest
  const isRemembered = validateOnly !== true && settings.rules.answersRetriesOnce
  return image =>
    decideOnce(image, admin.api, isRemembered ? session : null, settings.limits, () =>
      admin.decide(image, body, settings),
    )
}

/** How long the request may wait for the quorum, wherever it is served. */
export function timeoutFor(api: AnyApi, body: unknown, settings: ControllerSettings): number {
  if (api.key === brokerHeartbeat.key) return settings.brokerSessionTimeoutMs / heartbeatsPerTimeout
  // A node that joins is fed everything there is first.
  const timeoutMsMax = api.key === addRaftVoter.key ? Number.POSITIVE_INFINITY : settings.requestTimeoutMs
  const { timeoutMs } = body as AnyRequest
  return timeoutMs === undefined || timeoutMs <= 0 ? settings.requestTimeoutMs : Math.min(timeoutMs, timeoutMsMax)
}

/** Made again after an attempt whose outcome nobody knows, the request does what it would have done once. */
export function isRepeatable(api: AnyApi, body: unknown): boolean {
  if (repeatable.has(api.key)) return true
  const { session = null, validateOnly } = body as AnyRequest
  return session !== null || validateOnly === true
}

/** The request changes metadata, so whoever made it wants to see it done. */
export function isChange(api: AnyApi): boolean {
  return adminRequests.has(api.key)
}

function topicIdFor(name: string, { random, rules }: ControllerSettings): string {
  if (rules.topicIdsAreNew) return newUuid(random)
  return uuidFrom(new TextEncoder().encode(name.padEnd(uuidBytes).slice(0, uuidBytes)))
}

/** Topic ids and cluster ids. */
export function newUuid(random: Random): string {
  return uuidFrom(random.nextBytes(uuidBytes))
}

function serve<Request, Response>(
  api: Api<Request, Response>,
  decide: AdminRequest<Request, Response>['decide'],
): void {
  adminRequests.set(api.key, { api, decide } as unknown as AdminRequest<unknown, unknown>)
}

function placementFacts({ defaults, limits, random }: ControllerSettings) {
  return { defaults, limits, placementStart: random.nextInt(placementStarts) }
}
