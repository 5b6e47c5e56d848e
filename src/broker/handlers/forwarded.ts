/** What only the active controller can do for the whole cluster, and answers: authorised here, forwarded as it is. */
import type { Api } from '../../protocol/api.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'

export function forwardedAlter<Request, Response>(broker: BrokerRuntime, api: Api<Request, Response>): Handler {
  return defineHandler(api, (request, context) => {
    if (!broker.authorizer.isAllowed(context, 'alter', { kind: 'cluster' })) {
      throw new ApiError('CLUSTER_AUTHORIZATION_FAILED')
    }
    return broker.controller.request(api, request)
  })
}
