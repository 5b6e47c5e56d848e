/** IncrementalAlterConfigs: decided by the controller; the logs follow when the metadata says so. */
import { alterConfigs } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardAllowed } from './topic-admin.ts'

export function alterConfigsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(alterConfigs, async (request, context) => ({
    resources: await forwardAllowed(broker, context, {
      items: request.resources,
      operation: 'alter-configs',
      resourceOf: ({ type, name }) => (type === 'topic' ? { kind: 'topic', name } : { kind: 'cluster' }),
      forward: async allowed =>
        (await broker.controller.request(alterConfigs, { ...request, resources: allowed })).resources,
      refuse: ({ type, name }, refusal) => ({ type, name, ...refusal }),
    }),
  }))
}
