/** What settings demand of each other. Each rule names the setting to change, its value, and what it has to fit. */
import { isLoopbackHost, isWildcard, listenerUrl } from './addresses.ts'
import type { NodeConfig } from './load.ts'

export interface Fault {
  readonly key: string
  readonly expected: string
}

/** The first rule that is broken, or `null`. */
export function crossFault(config: NodeConfig): Fault | null {
  return networkFault(config) ?? sizeFault(config) ?? timeFault(config) ?? quorumFault(config)
}

function networkFault(config: NodeConfig): Fault | null {
  for (const listener of config.listeners) {
    if (!isLoopbackHost(listener.host) && !config.allowInsecureListeners) {
      const why = 'other machines can reach it, and nobody is asked who he is'
      const expected = `expected a loopback address such as ws://127.0.0.1:${listener.port}: ${why}; allow.insecure.listeners=true allows it`
      return { key: 'listeners', expected }
    }
    if (isWildcard(listener.host) && config.advertisedListeners === null) {
      const expected = `expected an address that clients can connect to: ${listenerUrl(listener)} listens on every address and says none`
      return { key: 'advertised.listeners', expected }
    }
  }
  const meaningless = config.advertisedListeners?.find(listener => isWildcard(listener.host))
  if (meaningless !== undefined)
    return {
      key: 'advertised.listeners',
      expected: 'expected an address that clients can connect to, not every address',
    }
  return null
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
  const others = config.controllerQuorumVoters.filter(voter => voter.nodeId !== config.nodeId)
  if (others.length > 0) {
    const expected = `expected this node alone (node.id ${config.nodeId}): clusters of several nodes are not available in this version`
    return { key: 'controller.quorum.voters', expected }
  }
  return null
}

function notAbove(key: string, value: number, otherKey: string, limit: number): Fault | null {
  return value <= limit ? null : { key, expected: `expected at most ${otherKey} (${Math.floor(limit)})` }
}
