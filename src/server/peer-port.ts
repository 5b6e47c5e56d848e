/** The port for other nodes: taken early, so that nobody who starts at the same time is refused; served when the node can. */
import type { WsServer } from '../platform/ws-server.ts'
import { limits } from '../protocol/common.ts'
import type { Logger } from '../util/logger.ts'
import { type NodeConfig, peerListenerOf, peerUrlOf } from './config/index.ts'
import { HeldSockets } from './held-sockets.ts'
import { listenOn } from './listen-on.ts'

export interface PeerPort extends AsyncDisposable {
  readonly ws: WsServer
  /** What arrives before the node can talk to its peers. */
  readonly sockets: HeldSockets
}

/** `null` for a node without others. */
export async function openPeerPort(config: NodeConfig, logger: Logger): Promise<PeerPort | null> {
  const listener = peerListenerOf(config)
  if (listener === null) return null
  const url = peerUrlOf(config, listener.port)
  const sockets = new HeldSockets()
  const ws = await listenOn(config, 'peer.listener', listener, {
    ownHosts: url === null ? [] : [new URL(url).hostname.replace(/^\[|\]$/g, '')],
    // The largest message there is: an append with one large entry, a piece of a snapshot.
    messageBytesMax: limits.frameBytes,
    onSocket: socket => sockets.accept(socket),
    logger,
  })
  return {
    ws,
    sockets,
    async [Symbol.asyncDispose]() {
      sockets.close()
      await ws.close()
    },
  }
}
