/** CreateTopics: decided by the controller; answered once the partitions led here can be written to, or its time is over. */
import { createTopics } from '../../protocol/apis/index.ts'
import { noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed, partitionsSettled, topicResource } from './topic-admin.ts'

export function createTopicsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(createTopics, async (request, context) => {
    const startMs = broker.clock.nowMs()
    const { timeoutMs } = request
    const topics = await forwardAllowed(broker, context, {
      items: request.topics,
      operation: 'create',
      resourceOf: topicResource,
      forward: async allowed => (await broker.controller.request(createTopics, { ...request, topics: allowed })).topics,
      refuse: ({ name }, refusal) => ({ name, topicId: null, ...refusal, numPartitions: -1, replicationFactor: -1 }),
    })
    const created = topics.filter(topic => topic.errorCode === noError).map(({ name }) => name)
    await partitionsSettled(broker, created, { startMs, timeoutMs })
    return { topics }
  })
}
