/**
 * Client sessions (Raft, section 8; thesis, section 6.3): the answer to a client's latest request is replicated with the
 * changes it reports, so a retry, at whatever leader, gets that answer and changes nothing.
 *
 * Refusals are remembered like successes: a request that was answered must not be decided anew when a late duplicate of
 * it arrives. What only asked (`validateOnly`) has no session.
 */
import type { Api } from '../protocol/api.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import { pack, unpack } from '../protocol/msgpack.ts'
import { responseFrameLimits } from '../protocol/prescan.ts'
import { type ClusterImage, sessionsOldestFirst } from './cluster-image.ts'
import type { Decision, MetadataLimits } from './decision.ts'
import type { RecordOf } from './record-types.ts'

export interface ClientSession {
  readonly clientId: string
  readonly requestId: number
}

/**
 * `decide`s a request the first time its session shows it and adds the session's record to the decision; afterwards
 * gives the first answer and no records. A request older than the session's latest is an `INVALID_REQUEST`: what became
 * of it is not remembered any more.
 */
export function decideOnce<Response>(
  image: ClusterImage,
  api: Pick<Api<unknown, Response>, 'key' | 'name' | 'versionMax' | 'response'>,
  session: ClientSession | null,
  limits: MetadataLimits,
  decide: () => Decision<Response> | Failure,
): Decision<Response> | Failure {
  if (session === null) return decide()
  const { clientId, requestId } = session
  const latest = image.sessions.byClient.get(clientId)
  if (latest !== undefined && requestId < latest.requestId) {
    const message = `Request ${requestId} is older than ${latest.requestId}, the latest of client ${clientId}.`
    return { error: 'INVALID_REQUEST', message }
  }
  if (latest?.requestId === requestId) {
    if (latest.apiKey !== api.key) {
      const message = `Request ${requestId} of client ${clientId} was a request of another kind.`
      return { error: 'INVALID_REQUEST', message }
    }
    const body = unpack(latest.response, responseFrameLimits)
    return { records: [], response: api.response.decode(body, latest.apiVersion, `${api.name}Response`) }
  }
  const decision = decide()
  // What is refused as a whole has no response to keep, and a duplicate of it is refused or decided as a new request.
  if (isFailure(decision)) return decision
  const { records, response } = decision
  const apiVersion = api.versionMax
  const bytes = pack(api.response.encode(response, apiVersion, `${api.name}Response`))
  const record: RecordOf<'session'> = {
    kind: 'session',
    clientId,
    requestId,
    apiKey: api.key,
    apiVersion,
    response: bytes,
    evictedClientIds: clientsToForget(image, clientId, bytes.length, limits),
  }
  return { records: [...records, record], response }
}

/** Who has been silent longest, as far as room for one more answer demands it. */
function clientsToForget(image: ClusterImage, clientId: string, bytes: number, limits: MetadataLimits): string[] {
  const { sessions } = image
  const own = sessions.byClient.get(clientId)
  let count = sessions.byClient.size + (own === undefined ? 1 : 0)
  let total = sessions.responseBytes + bytes - (own?.response.length ?? 0)
  const forgotten: string[] = []
  for (const [oldest, session] of sessionsOldestFirst(sessions)) {
    if (count <= limits.sessionsMax && total <= limits.sessionBytesMax) break
    if (oldest === clientId) continue
    forgotten.push(oldest)
    count--
    total -= session.response.length
  }
  return forgotten
}
