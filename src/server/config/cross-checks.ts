/** What settings demand of each other. Each rule names the setting to change, its value, and what it has to fit. */
import { isLoopbackHost, isWildcard, type Listener, listenerUrl, type Voter } from './addresses.ts'
import type { NodeConfig } from './load.ts'
import { peerListenerOf, peerUrlOf } from './peers.ts'

export interface Fault {
  readonly key: string
  readonly expected: string
}

/** The first rule that is broken, or `null`. */
export function crossFault(config: NodeConfig): Fault | null {
  return networkFault(config) ?? sizeFault(config) ?? timeFault(config) ?? quorumFault(config)
}

function networkFault(config: NodeConfig): Fault | null {
  const peerListener = peerListenerOf(config)
  return (
    listenerFault(config, 'listeners', config.listeners[0]!, 'clients', config.advertisedListeners !== null) ??
    advertisedFault('advertised.listeners', config.advertisedListeners, 'clients') ??
    (peerListener === null
      ? null
      : listenerFault(config, 'peer.listener', peerListener, 'other nodes', peerUrlOf(config, 1) !== null)) ??
    advertisedFault('advertised.peer.listener', config.advertisedPeerListener, 'other nodes')
  )
}

function listenerFault(
  config: NodeConfig,
  key: 'listeners' | 'peer.listener',
  listener: Listener,
  whom: string,
  hasAddress: boolean,
): Fault | null {
  if (!isLoopbackHost(listener.host) && !config.allowInsecureListeners) {
    const why = 'other machines can reach it, and nobody is asked who he is'
    const expected = `expected a loopback address such as ws://127.0.0.1:${listener.port}: ${why}; allow.insecure.listeners=true allows it`
    return { key, expected }
  }
  if (isWildcard(listener.host) && !hasAddress) {
    const expected = `expected an address that ${whom} can connect to: ${listenerUrl(listener)} listens on every address and says none`
    return { key: `advertised.${key}`, expected }
  }
  return null
}

function advertisedFault(key: string, advertised: readonly Listener[] | null, whom: string): Fault | null {
  if (advertised === null || !isWildcard(advertised[0]!.host)) return null
  return { key, expected: `expected an address that ${whom} can connect to, not every address` }
}

function sizeFault(config: NodeConfig): Fault | null {
  const { maxMessageBytes } = config.topics
  // What surrounds a batch in its request.
  const overheadBytes = 4096
  return (
    notAbove(
      'message.max.bytes',
      maxMessageBytes,
      'socket.request.max.bytes less 4096',
      config.socketRequestMaxBytes - overheadBytes,
    ) ??
    notAbove(
      'socket.request.max.bytes',
      config.socketRequestMaxBytes,
      'connection.queued.max.request.bytes',
      config.connectionQueuedMaxRequestBytes,
    ) ??
    notAbove(
      'connection.queued.max.request.bytes',
      config.connectionQueuedMaxRequestBytes,
      'queued.max.request.bytes',
      config.queuedMaxRequestBytes,
    ) ??
    notAbove('message.max.bytes', maxMessageBytes, 'log.unflushed.max.bytes', config.logUnflushedMaxBytes) ??
    notAbove(
      'http.request.max.bytes',
      config.httpRequestMaxBytes,
      'a quarter of http.queued.max.bytes',
      config.httpQueuedMaxBytes / 4,
    ) ??
    notAbove('message.max.bytes', maxMessageBytes, 'fetch.memory.max.bytes', config.fetchMemoryMaxBytes) ??
    notAbove('fetch.max.bytes', config.fetchMaxBytes, 'fetch.memory.max.bytes', config.fetchMemoryMaxBytes) ??
    notAbove(
      'fetch.max.bytes',
      config.fetchMaxBytes,
      'connection.buffered.max.bytes',
      config.connectionBufferedMaxBytes,
    ) ??
    notAbove('max.connections.per.ip', config.maxConnectionsPerIp, 'max.connections', config.maxConnections)
  )
}

function timeFault(config: NodeConfig): Fault | null {
  const { brokerSessionTimeoutMs, controllerQuorumElectionTimeoutMs } = config
  return (
    // Two heartbeats may be lost before a session is.
    notAbove(
      'broker.heartbeat.interval.ms',
      config.brokerHeartbeatIntervalMs,
      'a third of broker.session.timeout.ms',
      brokerSessionTimeoutMs / 3,
    ) ??
    // Who has hung up is not waited for longer than who is silent.
    notAbove('broker.gone.grace.ms', config.brokerGoneGraceMs, 'broker.session.timeout.ms', brokerSessionTimeoutMs) ??
    notAbove(
      'controller.quorum.heartbeat.interval.ms',
      config.controllerQuorumHeartbeatIntervalMs,
      'a third of controller.quorum.election.timeout.ms',
      controllerQuorumElectionTimeoutMs / 3,
    ) ??
    notAbove(
      'controller.quorum.tick.ms',
      config.controllerQuorumTickMs,
      'controller.quorum.heartbeat.interval.ms',
      config.controllerQuorumHeartbeatIntervalMs,
    )
  )
}

function quorumFault(config: NodeConfig): Fault | null {
  const { nodeId, processRoles, controllerQuorumVoters } = config
  const own = controllerQuorumVoters.find(voter => voter.nodeId === nodeId)
  if (!processRoles.includes('controller')) {
    const key = 'controller.quorum.voters'
    if (own !== undefined)
      return { key, expected: `expected other nodes: node.id ${nodeId} has not the role controller` }
    if (controllerQuorumVoters.length === 0)
      return { key, expected: 'expected the controllers of the cluster, as id@host:port: this node is only a broker' }
  }
  return portFault(config, own)
}

/** Two addresses of one node that cannot both be right: the others would wait for it for ever. */
function portFault(config: NodeConfig, own: Voter | undefined): Fault | null {
  const listener = peerListenerOf(config)
  if (listener === null || listener.port === 0) return null
  const clients = config.listeners[0]!
  if (listener.port === clients.port && listener.host === clients.host)
    return { key: 'peer.listener', expected: `expected another port than that of listeners (${clients.port})` }
  if (own === undefined || own.port === listener.port || config.advertisedPeerListener !== null) return null
  const expected = `expected port ${own.port}, at which controller.quorum.voters says that node ${config.nodeId} listens; advertised.peer.listener allows another`
  return { key: 'peer.listener', expected }
}

function notAbove(key: string, value: number, otherKey: string, limit: number): Fault | null {
  return value <= limit ? null : { key, expected: `expected at most ${otherKey} (${Math.floor(limit)})` }
}
