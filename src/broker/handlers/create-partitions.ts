/** CreatePartitions: decided by the controller; answered once the new partitions led here can be written to. */
import { createPartitions } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed, topicResource } from './topic-admin.ts'

export function createPartitionsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(createPartitions, async (request, context) => {
    const topics = await forwardAllowed(broker, context, {
      items: request.topics,
      operation: 'alter',
      resourceOf: topicResource,
      forward: async allowed =>
        (await broker.controller.request(createPartitions, { ...request, topics: allowed })).topics,
      refuse: ({ name }, refusal) => ({ name, ...refusal }),
    })
    await broker.partitions.settled(topics.map(({ name }) => name))
    return { topics }
  })
}
