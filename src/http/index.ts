/** What a node serves over HTTP beside the protocol. */
import type { Logger } from '../util/logger.ts'
import { livezRoute, type Readiness, readyzRoute } from './health.ts'
import { openMetrics } from './metrics.ts'
import type { MetricsSources } from './metrics-sources.ts'
import { createRouter, type RequestHandler } from './router.ts'

export interface HttpOptions {
  readonly readiness: () => Readiness
  readonly metrics: MetricsSources
  readonly logger: Logger
}

export interface HttpRoutes {
  readonly onRequest: RequestHandler
  close(): void
}

export function openHttpRoutes({ readiness, metrics, logger }: HttpOptions): HttpRoutes {
  const { route, close } = openMetrics(metrics)
  const routes = new Map([
    ['/livez', livezRoute()],
    ['/readyz', readyzRoute(readiness)],
    ['/metrics', route],
  ])
  return { onRequest: createRouter(routes, logger), close }
}

export type { Readiness } from './health.ts'
export type { ClusterView, MetricsSources, PartitionView } from './metrics-sources.ts'
