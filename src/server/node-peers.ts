/** What a node needs to be one of several: connections to the others, and a listener for theirs. */
import { openPeerNetwork, peerListenerLimits } from '../quorum/network/peer-network.ts'
import type { PeerNetwork } from '../quorum/network/types.ts'
import type { Handler } from '../transport/handler.ts'
import type { NodeIdentity } from '../transport/handler-table.ts'
import { type Listener, openListener } from '../transport/listener.ts'
import type { ServerConnection } from '../transport/server-connection.ts'
import type { Socket, SocketFactory } from '../transport/socket.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { Random } from '../util/random.ts'
import type { NodeSettings } from './node-settings.ts'

export interface NodePeerPorts {
  /** Where the others reach this node. */
  readonly url: string
  readonly socketFactory: SocketFactory
  /** Called once, with what takes the sockets that others open: as soon as the node can talk to them. */
  readonly onListener: (accept: (socket: Socket) => ServerConnection) => void
}

export interface NodePeers extends AsyncDisposable {
  readonly network: PeerNetwork
  readonly listener: Listener
}

export interface NodePeersOptions {
  readonly settings: NodeSettings
  readonly ports: NodePeerPorts
  /** What the listener serves beside what the network says. */
  readonly handlers: readonly Handler[]
  readonly identity: () => NodeIdentity
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onFatal: (error: Error) => void
}

export function openNodePeers(options: NodePeersOptions): NodePeers {
  const { settings, ports, handlers, identity, clock, random, logger, onFatal } = options
  const { nodeId, peerTiming: timing } = settings
  const network = openPeerNetwork({ nodeId, socketFactory: ports.socketFactory, clock, random, logger, timing })
  const listener = openListener({
    name: 'CONTROLLER',
    handlers: [...network.handlers, ...handlers],
    identity,
    clock,
    logger,
    limits: { ...settings.transport, ...peerListenerLimits(timing) },
    onFatal,
  })
  ports.onListener(socket => listener.accept(socket))
  return {
    network,
    listener,
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]()
      await listener.close(settings.shutdownGraceMs)
    },
  }
}
