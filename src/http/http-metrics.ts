/** Requests of the HTTP side: how many, how they ended, how long they took, and what those under way hold. */
import type { Registry } from 'prom-client'
import type { HttpStats, RouteStats } from './http-stats.ts'
import { registerHistogram, registerMetric, type Sample } from './metric.ts'

export function registerHttpMetrics(registry: Registry, stats: HttpStats): void {
  const byRoute = (value: (route: RouteStats) => number) => (): Sample[] =>
    [...stats.routes].map(([route, of]) => ({ labels: { route }, value: value(of) }))
  const counter = (name: string, help: string, read: () => Iterable<Sample>): void =>
    registerMetric(registry, { name, help, type: 'counter', read })
  const gauge = (name: string, help: string, read: () => number): void =>
    registerMetric(registry, { name, help, type: 'gauge', read })

  counter('millrace_http_requests_total', 'HTTP requests, by route and status; 499: its client did not wait.', () =>
    [...stats.routes].flatMap(([route, { byStatus }]) =>
      [...byStatus].map(([status, value]) => ({ labels: { route, status }, value })),
    ),
  )
  counter(
    'millrace_http_received_bytes_total',
    'Bytes of bodies received, by route.',
    byRoute(route => route.bytesIn),
  )
  counter(
    'millrace_http_sent_bytes_total',
    'Bytes of bodies sent, by route.',
    byRoute(route => route.bytesOut),
  )
  const { routes } = stats
  registerHistogram(registry, {
    name: 'millrace_http_request_duration_seconds',
    help: 'From the head of a request to its answer, waiting of long polls included, by route.',
    bounds: stats.route('none').durationMs.upperBounds.map(ms => ms / 1000),
    read: () =>
      [...routes]
        .filter(([, { durationMs }]) => durationMs.count > 0)
        .map(([route, { durationMs }]) => ({
          labels: { route },
          counts: durationMs.counts,
          sum: durationMs.sum / 1000,
        })),
  })
  gauge(
    'millrace_http_in_flight_requests',
    'HTTP requests not answered yet, long polls among them.',
    () => stats.inFlight,
  )
  gauge('millrace_http_waiting_requests', 'REST requests that wait, unread, for memory.', () => stats.waiting)
  gauge('millrace_http_held_bytes', 'Bytes held by REST requests: bodies, answers, overhead.', () => stats.heldBytes)
  counter('millrace_http_refused_total', 'HTTP requests refused or cut off by a limit, by limit.', () =>
    Object.entries(stats.refused).map(([limit, value]) => ({ labels: { limit }, value })),
  )
}
