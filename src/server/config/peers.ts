/** Where this node and the others of its cluster find each other, from several settings. */
import { isWildcard, type Listener, listenerUrl } from './addresses.ts'
import type { NodeConfig } from './load.ts'

const defaultListener: Listener = { protocol: 'ws', host: '127.0.0.1', port: 9293 }

/** The listener for other nodes; `null` for a node that has no others: it needs none. */
export function peerListenerOf(config: NodeConfig): Listener | null {
  const given = config.peerListener?.[0]
  if (given !== undefined) return given
  const isAlone = config.processRoles.length === 2 && otherVoters(config).length === 0
  return isAlone ? null : defaultListener
}

/** What other nodes are told to connect to, where `port` is the one really listened on; `null` when nothing says. */
export function peerUrlOf(config: NodeConfig, port: number): string | null {
  const advertised = config.advertisedPeerListener?.[0]
  if (advertised !== undefined) return listenerUrl(advertised.port === 0 ? { ...advertised, port } : advertised)
  const own = config.controllerQuorumVoters.find(voter => voter.nodeId === config.nodeId)
  if (own !== undefined) return listenerUrl({ ...own, protocol: 'ws' })
  const listener = peerListenerOf(config)
  return listener === null || isWildcard(listener.host) ? null : listenerUrl({ ...listener, port })
}

/** The first voters and where they listen, as the quorum knows them. Empty: this node alone. */
export function voterUrlsOf(config: NodeConfig): ReadonlyMap<number, string> {
  return new Map(
    config.controllerQuorumVoters.map(voter => [voter.nodeId, listenerUrl({ ...voter, protocol: 'ws' })] as const),
  )
}

export function otherVoters(config: NodeConfig): NodeConfig['controllerQuorumVoters'] {
  return config.controllerQuorumVoters.filter(voter => voter.nodeId !== config.nodeId)
}
