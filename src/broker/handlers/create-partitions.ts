/** CreatePartitions: decided by the controller; answered once the new partitions led here can be written to, or its time is over. */
import { createPartitions } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed, partitionsSettled, topicResource } from './topic-admin.ts'

export function createPartitionsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(createPartitions, async (request, context) => {
    const startMs = broker.clock.nowMs()
    const { timeoutMs } = request
    const topics = await forwardAllowed(broker, context, {
      items: request.topics,
      operation: 'alter',
      resourceOf: topicResource,
      forward: async allowed =>
        (await broker.controller.request(createPartitions, { ...request, topics: allowed })).topics,
      refuse: ({ name }, refusal) => ({ name, ...refusal }),
    })
    const names = topics.map(({ name }) => name)
    await partitionsSettled(broker, names, { startMs, timeoutMs })
    return { topics }
  })
}
