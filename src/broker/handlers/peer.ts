/**
 * What a broker serves to other nodes, on the listener that is there before the broker is: what leaders send, and what
 * other nodes pass on for callers who do not know who leads.
 */
import type { Api } from '../../protocol/api.ts'
import { appendEntries, fetch, listOffsets, produce } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { appendEntriesHandler } from './append-entries.ts'
import { fetchHandler } from './fetch.ts'
import { listOffsetsHandler } from './list-offsets.ts'
import { produceHandler } from './produce.ts'

const factories = [appendEntriesHandler, produceHandler, fetchHandler, listOffsetsHandler] as const
const apis = [appendEntries, produce, fetch, listOffsets] as unknown as readonly Api[]

export function peerHandlers(broker: BrokerRuntime): readonly Handler[] {
  return factories.map(factory => factory(broker))
}

/** `open` gives the handlers of the broker once it is open; who asks before tries again until then. */
export function peerHandlersWhenOpen(open: () => readonly Handler[] | null): readonly Handler[] {
  return apis.map(api =>
    defineHandler<unknown, unknown>(api as never, (request, context) => {
      const handler = open()?.find(each => each.api.key === api.key)
      if (handler === undefined) throw new ApiError('REPLICA_NOT_AVAILABLE', 'This node is starting.')
      return handler.handle(request, context)
    }),
  )
}
