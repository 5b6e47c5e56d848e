/** The port for clients: where to listen, what to call it, and one line when it cannot be had. */
import { createAccessCheck } from '../platform/http-access.ts'
import { openWsServer, type WsServer } from '../platform/ws-server.ts'
import { ConfigError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { isWildcard, type Listener, listenerUrl, type NodeConfig } from './config/index.ts'
import type { HeldSockets } from './held-sockets.ts'
import type { HttpFront } from './http-front.ts'

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
  const ws = await listen(config, listener, {
    access: createAccessCheck({
      ownHosts: [listener, advertised].flatMap(known =>
        known === undefined || isWildcard(known.host) ? [] : [known.host],
      ),
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
    }),
    messageBytesMax: config.socketRequestMaxBytes,
    connectionsMax: config.maxConnections,
    connectionsPerIpMax: config.maxConnectionsPerIp,
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

type ListenOptions = Omit<Parameters<typeof openWsServer>[0], 'host' | 'port'>

async function listen(config: NodeConfig, { host, port }: Listener, options: ListenOptions): Promise<WsServer> {
  try {
    return await openWsServer({ ...options, host: host === '' ? '::' : host, port })
  } catch (error) {
    const reason = reasons[(error as NodeJS.ErrnoException).code ?? '']
    if (reason === undefined) throw error
    const where = config.entries.find(({ key }) => key === 'listeners')?.where ?? 'default'
    throw new ConfigError('listeners', `cannot listen on ${host}:${port} (listeners, from ${where}): ${reason}`, {
      cause: error,
    })
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another process',
  EACCES: 'this user may not use the port',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the name of the host is not known',
}
