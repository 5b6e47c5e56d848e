/**
 * A whole node inside this process: this file supplies the Node ports (files, sockets, clock) and owns what they hold;
 * what a node is made of is in node.ts.
 *
 * What does not wait for something else starts at once: the ports, and the data directory with its lock. From the outside
 * a node that is still opening its data, or that waits for its quorum, is alive and not ready.
 */
import { systemClock } from '../platform/clock.ts'
import { nodeCodecs } from '../platform/codecs.ts'
import { installFastCrc32c } from '../platform/crc32c.ts'
import { openFilesLimit } from '../platform/open-files.ts'
import { systemRandom } from '../platform/random.ts'
import { wsSocketFactory } from '../platform/ws-client.ts'
import { limits } from '../protocol/common.ts'
import { assert } from '../util/assert.ts'
import { Disposables } from '../util/disposables.ts'
import type { Logger } from '../util/logger.ts'
import { allOpen } from './all-open.ts'
import { type ClientPort, openClientPort } from './client-port.ts'
import { type NodeConfig, peerUrlOf } from './config/index.ts'
import { endProcess } from './fatal.ts'
import { HeldSockets } from './held-sockets.ts'
import { HttpFront } from './http-front.ts'
import { openLogger } from './logger.ts'
import { type Node, openNode } from './node.ts'
import { type NodeData, openNodeData } from './node-data.ts'
import type { NodePeerPorts } from './node-peers.ts'
import { withinOpenFiles } from './open-files.ts'
import { openPeerPort, type PeerPort } from './peer-port.ts'
import { configOf, type ServerOptions } from './server-options.ts'
import { restLimits, settingsFrom } from './settings.ts'

export interface Server extends AsyncDisposable {
  /** Where clients of this machine connect: `ws://127.0.0.1:9292`. */
  readonly url: string
  readonly port: number
  /** Where other nodes connect; `null` for a node without others. */
  readonly peerUrl: string | null
  readonly nodeId: number
  readonly clusterId: string
  /** `null` when it is in memory. */
  readonly dataDir: string | null
  /**
   * Stops in order: lets others lead, answers what is under way, flushes, closes. Each step that needs others waits
   * `graceMs` for them, by default five seconds. Idempotent.
   */
  close(graceMs?: number): Promise<void>
}

/**
 * Resolves when the node takes records; in a cluster that takes a majority of its controllers, the first time all of them.
 * Rejects with `ConfigError` (a setting, a port that is in use, a data directory that is another node's or in use),
 * `CorruptionError` or `StorageError` (what is on disk), `AbortError` (`options.signal`), and leaves nothing open.
 */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const config = configOf(options)
  const logger = options.logger ?? (await openLogger(config.logLevel, config.logFormat))
  return startOn(config, { ...options, logger }, openPeerPort(config, logger))
}

/** As `startServer`, on a port for other nodes that is opened already; it is closed with the server, or the failed start. */
export async function startOn(
  configured: NodeConfig,
  options: ServerOptions & { readonly logger: Logger },
  openingPeerPort: Promise<PeerPort | null>,
): Promise<Server> {
  const { logger, signal, inMemory = false } = options
  const config = withinOpenFiles(configured, openFilesLimit(), logger)
  installFastCrc32c()
  const owned = new Disposables()
  try {
    const sockets = new HeldSockets()
    const front = new HttpFront({
      logger,
      rest: restLimits(config),
      partitionSeriesMax: config.metricsPartitionSeriesMax,
    })
    const [port, peerPort, data] = await allOpen(
      owned,
      openClientPort(config, sockets, front, logger),
      openingPeerPort,
      openNodeData(config, { inMemory, logger }),
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
        peers: peerPort === null ? null : peersOn(config, peerPort),
        onWaiting: reasons => front.wait(reasons),
        ...(signal === undefined ? {} : { signal }),
        onFatal: options.onFatal ?? endProcess,
      }),
    )
    data.belongsTo(node.clusterId)
    front.open(node, port.ws.stats)
    await node.serve(port.url)
    sockets.release(socket => node.listener.accept(socket))
    front.serve()
    return serving(node, port, data, owned, logger)
  } catch (error) {
    await owned.dispose()
    throw error
  }
}

function peersOn(config: NodeConfig, { ws, sockets }: PeerPort): NodePeerPorts {
  const url = peerUrlOf(config, ws.port)
  assert(url !== null, 'the settings say where others find this node')
  return {
    url,
    // Nothing but nodes of this cluster stands at either end.
    socketFactory: wsSocketFactory({ zeroMask: 'always', messageBytesMax: limits.frameBytes }),
    onListener: accept => sockets.release(accept),
  }
}

function serving(node: Node, port: ClientPort, data: NodeData, owned: Disposables, logger: Logger): Server {
  const { nodeId, clusterId, peerUrl } = node
  logger.info({ url: port.url, peerUrl, nodeId, clusterId, dataDir: data.directory }, 'serving')
  const close = async (graceMs?: number): Promise<void> => {
    port.ws.stopAccepting()
    await node.close(graceMs)
    await owned.dispose()
  }
  return {
    url: port.localUrl,
    port: port.ws.port,
    peerUrl,
    nodeId,
    clusterId,
    dataDir: data.directory,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}
