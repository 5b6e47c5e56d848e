/** What this node and the other nodes say to each other. */
import type { Registry } from 'prom-client'
import { registerMetric } from './metric.ts'
import type { PeersView } from './metrics-sources.ts'

export function registerPeerMetrics(registry: Registry, read: () => PeersView): void {
  const counter = (name: string, help: string, value: (peers: PeersView) => number): void =>
    registerMetric(registry, { name, help, type: 'counter', read: () => value(read()) })
  counter('millrace_peer_messages_sent_total', 'Raft messages sent to other nodes.', peers => peers.messagesSent)
  counter('millrace_peer_messages_received_total', 'Raft messages from other nodes.', peers => peers.messagesReceived)
  counter(
    'millrace_peer_messages_dropped_total',
    'Raft messages that were not sent, for want of a connection or of room.',
    peers => peers.messagesDropped,
  )
  counter('millrace_peer_frames_sent_total', 'Frames in which they were sent.', peers => peers.framesSent)
  registerMetric(registry, {
    name: 'millrace_peers_unreached',
    help: 'Nodes this one wants to reach and has no connection to.',
    type: 'gauge',
    read: () => read().unreached,
  })
}
