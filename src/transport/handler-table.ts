/**
 * What a listener serves: handlers by api key. `ApiVersions` is answered from the table itself unless a handler for it
 * is given, so what is announced and what is served cannot differ.
 */
import type { Api } from '../protocol/api.ts'
import { apiVersions } from '../protocol/apis/api-versions.ts'
import { assert } from '../util/assert.ts'
import type { Handle, Handler } from './handler.ts'
import { ApiStats, type TransportStats } from './stats.ts'

export interface ServedApi {
  readonly api: Api
  readonly handle: Handle<unknown, unknown>
  readonly stats: ApiStats
}

export type HandlerTable = ReadonlyMap<number, ServedApi>

/** Who this node says it is in `ApiVersions`. */
export interface NodeIdentity {
  readonly clusterId: string
  readonly nodeId: number
  readonly software: string
}

export function createHandlerTable(
  handlers: readonly Handler[],
  identity: () => NodeIdentity,
  stats: TransportStats,
): HandlerTable {
  const table = new Map<number, ServedApi>()
  const add = ({ api, handle }: Handler): void => {
    assert(!table.has(api.key), 'one handler per api key')
    let apiStats = stats.apis.get(api.key)
    if (apiStats === undefined) {
      apiStats = new ApiStats(api.name)
      stats.apis.set(api.key, apiStats)
    }
    table.set(api.key, { api, handle, stats: apiStats })
  }
  for (const handler of handlers) add(handler)
  if (!table.has(apiVersions.key)) {
    const handle = () => ({ ...identity(), apis: [...table.values()].map(describe) })
    add({ api: apiVersions as unknown as Api, handle })
  }
  return table
}

function describe({ api }: ServedApi): { apiKey: number; versionMin: number; versionMax: number } {
  return { apiKey: api.key, versionMin: api.versionMin, versionMax: api.versionMax }
}
