/** DeleteTopics: decided by the controller; answered once the directories of the partitions here are gone, durably, or its time is over. */
import { deleteTopics } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed, partitionsSettled, topicResource } from './topic-admin.ts'

export function deleteTopicsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(deleteTopics, async (request, context) => {
    const startMs = broker.clock.nowMs()
    const { timeoutMs } = request
    const topics = await forwardAllowed(broker, context, {
      items: request.topics,
      operation: 'delete',
      resourceOf: topicResource,
      forward: async allowed => (await broker.controller.request(deleteTopics, { ...request, topics: allowed })).topics,
      refuse: ({ name, topicId }, refusal) => ({ name, topicId, ...refusal }),
    })
    // A directory that outlives its topic would be set aside as a stray at the next start.
    const names = topics.map(({ name }) => name)
    await partitionsSettled(broker, names, { startMs, timeoutMs })
    return { topics }
  })
}
