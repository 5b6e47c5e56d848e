/** DescribeQuorum: only the active controller knows; forwarded to it. */
import { describeQuorum } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'

export function describeQuorumHandler(broker: BrokerRuntime): Handler {
  return defineHandler(describeQuorum, async (request, context) => {
    if (!broker.authorizer.isAllowed(context, 'describe', { kind: 'cluster' }))
      throw new ApiError('CLUSTER_AUTHORIZATION_FAILED')
    return broker.controller.request(describeQuorum, request)
  })
}
