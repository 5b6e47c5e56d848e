/** The requests that change metadata, each with its decision. What is not here is not the controller's to decide. */
import { decideAlterConfigs } from '../metadata/alter-configs.ts'
import type { ClusterImage } from '../metadata/cluster-image.ts'
import { decideCreatePartitions } from '../metadata/create-partitions.ts'
import { decideCreateTopics } from '../metadata/create-topics.ts'
import type { Decision } from '../metadata/decision.ts'
import { decideDeleteTopics } from '../metadata/delete-topics.ts'
import { type ClientSession, decideOnce } from '../metadata/sessions.ts'
import type { Api } from '../protocol/api.ts'
import { alterConfigs, createPartitions, createTopics, deleteTopics } from '../protocol/apis/index.ts'
import type { Random } from '../util/random.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import type { Decide } from './decision-writer.ts'
import type { ControllerSettings } from './options.ts'

/** Start of a placement: any large range will do, and sums stay far below 2^53. */
const placementStarts = 2 ** 30

interface AdminRequest<Request, Response> {
  readonly api: Api<Request, Response>
  readonly decide: (image: ClusterImage, request: Request, settings: ControllerSettings) => Decision<Response>
}

interface AnyRequest {
  readonly session: ClientSession | null
  readonly validateOnly?: boolean
  readonly timeoutMs?: number
}

const adminRequests = new Map<number, AdminRequest<unknown, unknown>>()

serve(createTopics, (image, request, settings) =>
  decideCreateTopics(image, request, {
    ...placementFacts(settings),
    topicIds: request.topics.map(() => newUuid(settings.random)),
  }),
)
serve(deleteTopics, decideDeleteTopics)
serve(createPartitions, (image, request, settings) => decideCreatePartitions(image, request, placementFacts(settings)))
serve(alterConfigs, (image, request, { defaults, validateBrokerConfig }) =>
  decideAlterConfigs(image, request, { minInsyncReplicas: defaults.minInsyncReplicas, validateBrokerConfig }),
)

/** What to submit for a request; `null` for an API that changes no metadata. */
export function decisionFor<Request, Response>(
  api: Api<Request, Response>,
  body: Request,
  settings: ControllerSettings,
): { readonly decide: Decide<Response>; readonly timeoutMs: number } | null {
  const admin = adminRequests.get(api.key) as AdminRequest<Request, Response> | undefined
  if (admin === undefined) return null
  const { session, validateOnly, timeoutMs } = body as AnyRequest
  const decide: Decide<Response> = image =>
    decideOnce(image, admin.api, validateOnly === true ? null : session, settings.limits, () =>
      admin.decide(image, body, settings),
    )
  return { decide, timeoutMs: boundedTimeout(timeoutMs, settings.requestTimeoutMs) }
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

/** 0 or less, or none at all, stands for the longest there is. */
function boundedTimeout(timeoutMs: number | undefined, timeoutMsMax: number): number {
  return timeoutMs === undefined || timeoutMs <= 0 ? timeoutMsMax : Math.min(timeoutMs, timeoutMsMax)
}
