/** DeleteTopics: decided by the controller; the logs of the partitions go when the metadata says so. */
import { deleteTopics } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed, topicResource } from './topic-admin.ts'

export function deleteTopicsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(deleteTopics, async (request, context) => ({
    topics: await forwardAllowed(broker, context, {
      items: request.topics,
      operation: 'delete',
      resourceOf: topicResource,
      forward: async allowed => (await broker.controller.request(deleteTopics, { ...request, topics: allowed })).topics,
      refuse: ({ name, topicId }, refusal) => ({ name, topicId, ...refusal }),
    }),
  }))
}
