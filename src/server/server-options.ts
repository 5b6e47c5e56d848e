/** What a program that embeds a node says, and the settings that makes. */
import type { Logger } from '../util/logger.ts'
import { loadConfig, type NodeConfig } from './config/index.ts'

export interface ServerOptions {
  /** Settings by their keys (`log.flush.policy`); they win over file and environment. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  /** A YAML file of settings. */
  readonly configFile?: string
  /** Where `MILLRACE_…` settings are looked up; nowhere when it is not given. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `node.id` */
  readonly nodeId?: number
  /** Where records and metadata are kept; `log.dirs`. */
  readonly dataDir?: string
  /** Keep nothing on disk: data and metadata end with the node. */
  readonly inMemory?: boolean
  /** Port for clients; 0 for any free one. */
  readonly port?: number
  /** Port for other nodes, on the same host; `peer.listener`. */
  readonly peerPort?: number
  /** The first voters of the cluster, as in `controller.quorum.voters`: `1@127.0.0.1:9293,2@127.0.0.1:9303`. */
  readonly voters?: string
  readonly host?: string
  /** By default stderr, from the level `log.level` on. */
  readonly logger?: Logger
  /** Gives up a start; a node that has started does not listen to it any more. */
  readonly signal?: AbortSignal
  /**
   * The disk failed so that nothing this node says can be relied on, or an invariant broke. By default the process ends
   * at once; whoever passes a function of his own must end it, or at least use nothing of this node again.
   */
  readonly onFatal?: (error: Error) => void
}

/** Throws `ConfigError`. */
export function configOf(options: ServerOptions): NodeConfig {
  const { config = {}, configFile, env, nodeId, dataDir, host, port, peerPort, voters } = options
  const listener = (port: number): string => `ws://${bracketed(host ?? '127.0.0.1')}:${port}`
  return loadConfig({
    ...(configFile === undefined ? {} : { file: configFile }),
    ...(env === undefined ? {} : { env }),
    overrides: {
      ...config,
      ...(nodeId === undefined ? {} : { 'node.id': nodeId }),
      ...(host === undefined && port === undefined ? {} : { listeners: listener(port ?? 9292) }),
      ...(peerPort === undefined ? {} : { 'peer.listener': listener(peerPort) }),
      ...(voters === undefined ? {} : { 'controller.quorum.voters': voters }),
      ...(dataDir === undefined ? {} : { 'log.dirs': dataDir }),
    },
  })
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
