/** The port for clients: where to listen, and what to call it. */
import type { WsServer } from '../platform/ws-server.ts'
import type { Logger } from '../util/logger.ts'
import { isWildcard, listenerUrl, type NodeConfig } from './config/index.ts'
import type { HeldSockets } from './held-sockets.ts'
import type { HttpFront } from './http-front.ts'
import { listenOn } from './listen-on.ts'

export interface ClientPort extends AsyncDisposable {
  readonly ws: WsServer
  /** What clients are told to connect to. */
  readonly url: string
  /** Where it really listens, for those on this machine. */
  readonly localUrl: string
}

export async function openClientPort(
  config: NodeConfig,
  sockets: HeldSockets,
  front: HttpFront,
  logger: Logger,
): Promise<ClientPort> {
  const listener = config.listeners[0]!
  const advertised = config.advertisedListeners?.[0]
  const ws = await listenOn(config, 'listeners', listener, {
    ownHosts: advertised === undefined ? [] : [advertised.host],
    messageBytesMax: config.socketRequestMaxBytes,
    onRequest: front.onRequest,
    onSocket: socket => sockets.accept(socket),
    logger,
  })
  const here = { ...listener, port: ws.port }
  // Port 0 in what is advertised means the port that was given.
  const told =
    advertised === undefined ? here : { ...advertised, port: advertised.port === 0 ? ws.port : advertised.port }
  return {
    ws,
    url: listenerUrl(told),
    localUrl: listenerUrl(isWildcard(here.host) ? { ...here, host: '127.0.0.1' } : here),
    [Symbol.asyncDispose]: () => ws.close(),
  }
}
