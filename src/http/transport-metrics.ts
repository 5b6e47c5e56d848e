/** Requests, connections and bytes in flight, from the transport's counters. */
import type { Registry } from 'prom-client'
import { registerHistogram, registerMetric, type Sample } from './metric.ts'
import type { ApiView, PortView, TransportView } from './metrics-sources.ts'

export function registerTransportMetrics(
  registry: Registry,
  read: () => TransportView,
  latencyBucketsMs: readonly number[],
): void {
  const byApi = (value: (api: ApiView) => number) => (): Sample[] =>
    [...read().apis.values()].map(api => ({ labels: { api: api.name }, value: value(api) }))
  const counter = (name: string, help: string, value: () => Iterable<Sample> | number): void =>
    registerMetric(registry, { name, help, type: 'counter', read: value })
  const gauge = (name: string, help: string, value: () => number): void =>
    registerMetric(registry, { name, help, type: 'gauge', read: value })

  counter(
    'millrace_requests_total',
    'Requests received, by API.',
    byApi(api => api.requests),
  )
  counter('millrace_request_errors_total', 'Requests answered with an error as a whole, by API and error.', () =>
    [...read().apis.values()].flatMap(api =>
      [...api.errorsByName].map(([error, value]) => ({ labels: { api: api.name, error }, value })),
    ),
  )
  counter(
    'millrace_unsupported_requests_total',
    'Requests for an API or a version that is not served.',
    () => read().unsupportedRequests,
  )
  counter(
    'millrace_request_bytes_total',
    'Bytes of requests received, by API.',
    byApi(api => api.bytesIn),
  )
  counter(
    'millrace_response_bytes_total',
    'Bytes of answers sent, by API.',
    byApi(api => api.bytesOut),
  )
  registerHistogram(registry, {
    name: 'millrace_request_duration_seconds',
    help: 'From the arrival of a request to its answer, waiting of long polls included, by API.',
    bounds: latencyBucketsMs.map(ms => ms / 1000),
    read: () =>
      [...read().apis.values()]
        .filter(api => api.requests > 0)
        .map(api => ({ labels: { api: api.name }, counts: api.latencyCounts, sum: api.latencyMsSum / 1000 })),
  })
  gauge('millrace_connections', 'Open protocol connections.', () => read().connections)
  counter('millrace_connections_accepted_total', 'Protocol connections accepted.', () => read().connectionsAccepted)
  counter('millrace_connections_closed_total', 'Connections closed by this node, by cause.', () =>
    labelled('cause', read().closedBy),
  )
  gauge(
    'millrace_in_flight_requests',
    'Requests being worked on, long polls among them.',
    () => read().inFlightRequests,
  )
  gauge('millrace_in_flight_bytes', 'Bytes held by requests being worked on.', () => read().inFlightBytes)
  counter(
    'millrace_read_pauses_total',
    'Times reading from a connection was paused, by the limit that asked for it.',
    () => labelled('limit', read().pauses),
  )
  counter('millrace_network_received_bytes_total', 'Bytes of protocol messages received.', () => read().bytesIn)
  counter('millrace_network_sent_bytes_total', 'Bytes of protocol messages sent.', () => read().bytesOut)
}

export function registerPortMetrics(registry: Registry, read: () => PortView): void {
  registerMetric(registry, {
    name: 'millrace_tcp_connections',
    help: 'Open TCP connections of the client port, HTTP among them.',
    type: 'gauge',
    read: () => read().tcpConnections,
  })
  registerMetric(registry, {
    name: 'millrace_tcp_refused_total',
    help: 'Connections and requests refused before the protocol began, by reason.',
    type: 'counter',
    read: () => labelled('reason', read().refused),
  })
}

function labelled(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }))
}
