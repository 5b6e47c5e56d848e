/** AddRaftVoter, RemoveRaftVoter, TransferLeadership: done by the active controller; forwarded to it. */
import type { Api } from '../../protocol/api.ts'
import { addRaftVoter, removeRaftVoter, transferLeadership } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'

export const addRaftVoterHandler = (broker: BrokerRuntime): Handler => forwarded(broker, addRaftVoter)
export const removeRaftVoterHandler = (broker: BrokerRuntime): Handler => forwarded(broker, removeRaftVoter)
export const transferLeadershipHandler = (broker: BrokerRuntime): Handler => forwarded(broker, transferLeadership)

function forwarded<Request, Response>(broker: BrokerRuntime, api: Api<Request, Response>): Handler {
  return defineHandler(api, (request, context) => {
    if (!broker.authorizer.isAllowed(context, 'alter', { kind: 'cluster' })) {
      throw new ApiError('CLUSTER_AUTHORIZATION_FAILED')
    }
    return broker.controller.request(api, request)
  })
}
