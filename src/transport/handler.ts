import type { Api } from '../protocol/api.ts'

/** Who asks, and over what. Every handler gets one, from the first day. */
export interface RequestContext {
  readonly connectionId: number
  /** `anonymous` until authentication exists. */
  readonly principal: string
  readonly clientId: string | null
  /** Name of the listener the request came through. */
  readonly listener: string
  readonly remote: string
  /** Aborts when the connection is gone: a waiting request has nobody to answer. */
  readonly signal: AbortSignal
}

/**
 * Serves one API. Returns the response body, at once or later; `null` for a request that wants no answer. An expected
 * failure of the whole request is an `ApiError`; anything else thrown becomes `UNKNOWN_SERVER_ERROR` and a log line.
 *
 * Large `bin` values of a body are sent from where they are: nothing may write to them any more.
 *
 * A body that is `Disposable` is disposed of once, when its bytes have left this process or are dropped: by that a
 * handler bounds what all answers together hold.
 */
export type Handle<Request, Response> = (
  request: Request,
  context: RequestContext,
) => Response | null | Promise<Response | null>

export interface Handler {
  readonly api: Api
  readonly handle: Handle<unknown, unknown>
}

export function defineHandler<Request, Response>(
  api: Api<Request, Response>,
  handle: Handle<Request, Response>,
): Handler {
  return { api: api as unknown as Api, handle: handle as Handle<unknown, unknown> }
}

/** Asked by every handler before it touches a resource. Today's answer on loopback is yes. */
export interface Authorizer {
  isAllowed(context: RequestContext, operation: Operation, resource: Resource): boolean
}

export type Operation =
  | 'read'
  | 'write'
  | 'create'
  | 'delete'
  | 'alter'
  | 'describe'
  | 'alter-configs'
  | 'describe-configs'
export type Resource = { readonly kind: 'topic'; readonly name: string } | { readonly kind: 'cluster' }

export const allowAll: Authorizer = { isAllowed: () => true }
