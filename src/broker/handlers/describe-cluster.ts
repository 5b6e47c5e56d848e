/** DescribeCluster: every registered broker and its state, as committed and seen here, or proved current. */
import { describeCluster } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { imageFor } from './image-for.ts'

export function describeClusterHandler(broker: BrokerRuntime): Handler {
  return defineHandler(describeCluster, async (request, context) => {
    if (!broker.authorizer.isAllowed(context, 'describe', { kind: 'cluster' }))
      throw new ApiError('CLUSTER_AUTHORIZATION_FAILED')
    const image = await imageFor(broker, request)
    const brokers = [...image.brokers.values()].sort((a, b) => a.nodeId - b.nodeId)
    return {
      clusterId: broker.clusterId,
      controllerId: broker.controllerId() ?? -1,
      brokers: brokers.map(({ nodeId, url, rack, epoch, isFenced, isDraining, isUnfit }) => ({
        nodeId,
        url,
        rack,
        epoch,
        // Nobody counts on the unfit, either.
        state: isFenced || isUnfit ? ('fenced' as const) : isDraining ? ('draining' as const) : ('active' as const),
      })),
    }
  })
}
