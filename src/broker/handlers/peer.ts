/** What a broker serves to other nodes, on the listener that is there before the broker is. */
import type { Api } from '../../protocol/api.ts'
import { appendEntries } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { appendEntriesHandler } from './append-entries.ts'

const factories = [appendEntriesHandler] as const
const apis: readonly Api[] = [appendEntries as unknown as Api]

export function peerHandlers(broker: BrokerRuntime): readonly Handler[] {
  return factories.map(factory => factory(broker))
}

/** `open` gives the handlers of the broker once it is open; leaders try again until then. */
export function peerHandlersWhenOpen(open: () => readonly Handler[] | null): readonly Handler[] {
  return apis.map(api =>
    defineHandler<unknown, unknown>(api as never, (request, context) => {
      const handler = open()?.find(each => each.api.key === api.key)
      if (handler === undefined) throw new ApiError('REPLICA_NOT_AVAILABLE', 'This node is starting.')
      return handler.handle(request, context)
    }),
  )
}
