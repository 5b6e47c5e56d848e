/** What a node serves over HTTP beside the protocol. */
import type { RecordGateway } from '../broker/gateway/record-gateway.ts'
import type { Codecs } from '../protocol/batch/types.ts'
import type { Logger } from '../util/logger.ts'
import { livezRoute, type Readiness, readyzRoute } from './health.ts'
import { HttpStats } from './http-stats.ts'
import { openMetrics } from './metrics.ts'
import type { MetricsSources } from './metrics-sources.ts'
import { restRoutes } from './rest/routes.ts'
import { createRouter, type RequestHandler, type RestLimits } from './router.ts'

export interface RestOptions extends RestLimits {
  readonly records: RecordGateway
  readonly codecs: Codecs
}

export interface HttpOptions {
  readonly readiness: () => Readiness
  readonly metrics: MetricsSources
  readonly rest: RestOptions
  readonly logger: Logger
}

export interface HttpRoutes {
  readonly onRequest: RequestHandler
  readonly stats: HttpStats
  /** Stops measuring, and resolves when no request is under way any more, or after `graceMs`. */
  close(graceMs: number): Promise<void>
}

export function openHttpRoutes({ readiness, metrics, rest, logger }: HttpOptions): HttpRoutes {
  const stats = new HttpStats()
  const { route, close } = openMetrics(metrics, stats)
  const routes = new Map([
    ['/livez', livezRoute()],
    ['/readyz', readyzRoute(readiness)],
    ['/metrics', route],
  ])
  const { records, codecs, bodyBytesMax } = rest
  const restful = { ...rest, routes: restRoutes({ records, codecs, maxBytesMax: bodyBytesMax }) }
  return {
    onRequest: createRouter({ routes, rest: restful, stats, logger }),
    stats,
    async close(graceMs) {
      close()
      await whenIdle(stats, graceMs)
    },
  }
}

function whenIdle(stats: HttpStats, graceMs: number): Promise<void> {
  if (stats.inFlight === 0) return Promise.resolve()
  return new Promise(resolve => {
    const timer = setTimeout(resolve, graceMs)
    stats.onIdle = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

export type { Readiness } from './health.ts'
export type { ClusterView, MetricsSources, PartitionView } from './metrics-sources.ts'
