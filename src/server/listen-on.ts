/** Opening a port under the rules of the settings, and one line when it cannot be had. */
import { createAccessCheck } from '../platform/http-access.ts'
import { openWsServer, type WsServer, type WsServerOptions } from '../platform/ws-server.ts'
import { ConfigError } from '../util/errors.ts'
import { isWildcard, type Listener, type NodeConfig } from './config/index.ts'

export interface ListenOptions extends Pick<WsServerOptions, 'messageBytesMax' | 'onRequest' | 'onSocket' | 'logger'> {
  /** What the node is called beside the host it listens on. */
  readonly ownHosts: readonly string[]
}

/** `key` is the setting that names `listener`. Throws `ConfigError` when the port cannot be had. */
export async function listenOn(
  config: NodeConfig,
  key: 'listeners' | 'peer.listener',
  listener: Listener,
  { ownHosts, ...options }: ListenOptions,
): Promise<WsServer> {
  const { host, port } = listener
  try {
    return await openWsServer({
      ...options,
      host: host === '' ? '::' : host,
      port,
      access: createAccessCheck({
        ownHosts: [host, ...ownHosts].filter(own => !isWildcard(own)),
        allowedHosts: config.allowedHosts,
        allowedOrigins: config.allowedOrigins,
      }),
      connectionsMax: config.maxConnections,
      connectionsPerIpMax: config.maxConnectionsPerIp,
    })
  } catch (error) {
    const reason = reasons[(error as NodeJS.ErrnoException).code ?? '']
    if (reason === undefined) throw error
    const where = config.entries.find(entry => entry.key === key)?.where ?? 'default'
    throw new ConfigError(key, `cannot listen on ${host}:${port} (${key}, from ${where}): ${reason}`, {
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
