/**
 * `millrace/server`: a whole node inside this process, for the command line and for anyone's program or test. This file
 * supplies the Node ports (files, sockets, clock) and owns what they hold; what a node is made of is in node.ts.
 *
 * What does not wait for something else starts at once: the port, and the data directory with its lock. From the outside
 * a node that is still opening its data is alive and not ready.
 */
import { systemClock } from '../platform/clock.ts'
import { nodeCodecs } from '../platform/codecs.ts'
import { installFastCrc32c } from '../platform/crc32c.ts'
import { systemRandom } from '../platform/random.ts'
import { Disposables } from '../util/disposables.ts'
import type { Logger } from '../util/logger.ts'
import { bothOpen } from './both-open.ts'
import { openClientPort } from './client-port.ts'
import { loadConfig, type NodeConfig } from './config/index.ts'
import { endProcess } from './fatal.ts'
import { HeldSockets } from './held-sockets.ts'
import { HttpFront } from './http-front.ts'
import { openLogger } from './logger.ts'
import { openNode } from './node.ts'
import { openNodeData } from './node-data.ts'
import { settingsFrom } from './settings.ts'

export interface ServerOptions {
  /** Settings by their keys (`log.flush.policy`); they win over file and environment. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  /** A YAML file of settings. */
  readonly configFile?: string
  /** Where `MILLRACE_…` settings are looked up; nowhere when it is not given. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Where records and metadata are kept; `log.dirs`. */
  readonly dataDir?: string
  /** Keep nothing on disk: data and metadata end with the node. */
  readonly inMemory?: boolean
  /** Port for clients; 0 for any free one. */
  readonly port?: number
  readonly host?: string
  /** By default stderr, from the level `log.level` on. */
  readonly logger?: Logger
  /**
   * The disk failed so that nothing this node says can be relied on, or an invariant broke. By default the process ends
   * at once; whoever passes a function of his own must end it, or at least use nothing of this node again.
   */
  readonly onFatal?: (error: Error) => void
}

export interface Server extends AsyncDisposable {
  /** Where clients of this machine connect: `ws://127.0.0.1:9292`. */
  readonly url: string
  readonly port: number
  readonly nodeId: number
  readonly clusterId: string
  /** `null` when it is in memory. */
  readonly dataDir: string | null
  /** Stops in order: lets others lead, answers what is under way, flushes, closes. Idempotent. */
  close(): Promise<void>
}

/**
 * Resolves when the node takes records. Rejects with `ConfigError` (a setting, a port that is in use, a data directory
 * that is another node's or in use), `CorruptionError` or `StorageError` (what is on disk), and leaves nothing open.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const config = configOf(options)
  const logger = options.logger ?? (await openLogger(config.logLevel, config.logFormat))
  const onFatal = options.onFatal ?? endProcess
  installFastCrc32c()
  const owned = new Disposables()
  try {
    const sockets = new HeldSockets()
    const front = new HttpFront({ logger, partitionSeriesMax: config.metricsPartitionSeriesMax })
    const [port, data] = await bothOpen(
      owned,
      openClientPort(config, sockets, front, logger),
      openNodeData(config, { inMemory: options.inMemory ?? false, logger }),
    )
    owned.defer(() => front.close())
    owned.defer(() => sockets.close())
    const node = owned.use(
      await openNode(settingsFrom(config, data.clusterId), {
        clock: systemClock,
        random: systemRandom,
        disk: data.disk,
        dataDirectory: data.partitionsDirectory,
        raftStorage: data.raftStorage,
        logger,
        codecs: nodeCodecs,
        onFatal,
      }),
    )
    data.belongsTo(node.clusterId)
    front.open(node, port.ws.stats)
    await node.serve(port.url)
    sockets.release(socket => node.listener.accept(socket))
    front.serve()
    owned.defer(() => port.ws.stopAccepting())
    const { nodeId, clusterId } = node
    logger.info({ url: port.url, nodeId, clusterId, dataDir: data.directory }, 'serving')
    const close = (): Promise<void> => owned.dispose()
    return {
      url: port.localUrl,
      port: port.ws.port,
      nodeId,
      clusterId,
      dataDir: data.directory,
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await owned.dispose()
    throw error
  }
}

function configOf({ config = {}, configFile, env, dataDir, host, port }: ServerOptions): NodeConfig {
  const listeners =
    host === undefined && port === undefined
      ? {}
      : { listeners: `ws://${bracketed(host ?? '127.0.0.1')}:${port ?? 9292}` }
  return loadConfig({
    ...(configFile === undefined ? {} : { file: configFile }),
    ...(env === undefined ? {} : { env }),
    overrides: { ...config, ...listeners, ...(dataDir === undefined ? {} : { 'log.dirs': dataDir }) },
  })
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
