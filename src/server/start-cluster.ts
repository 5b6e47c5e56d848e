/** Several nodes in this process, each controller and broker, that know each other: a cluster for a test, in one call. */
import { join } from 'node:path'
import type { Logger } from '../util/logger.ts'
import { openLogger } from './logger.ts'
import { openPeerPort, type PeerPort } from './peer-port.ts'
import { configOf, type ServerOptions } from './server-options.ts'
import { type Server, startOn } from './start-server.ts'

const wholeClusterGraceMs = 200

export interface ClusterOptions {
  /** How many; 1 to 9. Default 3. */
  readonly nodes?: number
  /** Settings of all of them. */
  readonly config?: ServerOptions['config']
  /** Node i keeps its data in `node-i` below it. Without it all is in memory. */
  readonly dataDir?: string
  /** By default warnings and errors on stderr. */
  readonly logger?: Logger
  readonly signal?: AbortSignal
  readonly onFatal?: (error: Error) => void
}

export interface Cluster extends AsyncDisposable {
  /** Node i is at i - 1. Each may be closed by itself; the others go on as long as they are a majority. */
  readonly nodes: readonly Server[]
  readonly clusterId: string
  /** Where clients connect: all of them. */
  readonly bootstrap: readonly string[]
  /** Stops all nodes. Idempotent. */
  close(): Promise<void>
}

/** Resolves when every node takes records; rejects as `startServer` does, and leaves nothing open. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { nodes: count = 3, dataDir, config = {} } = options
  if (!Number.isInteger(count) || count < 1 || count > 9) throw new RangeError('nodes: expected 1 to 9')
  const logger = options.logger ?? (await openLogger('warn'))
  const ids = Array.from({ length: count }, (_, at) => at + 1)
  const failed = new AbortController()
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal])
  const optionsOf = (nodeId: number, peerPort: number, voters?: string): ServerOptions & { logger: Logger } => ({
    config,
    nodeId,
    host: '127.0.0.1',
    port: 0,
    peerPort,
    ...(voters === undefined ? {} : { voters }),
    ...(dataDir === undefined ? { inMemory: true } : { dataDir: join(dataDir, `node-${nodeId}`) }),
    logger,
    signal,
    ...(options.onFatal === undefined ? {} : { onFatal: options.onFatal }),
  })
  // All ports first: every node is told all of them before it starts.
  const ports = await openPorts(ids.map(nodeId => openPeerPort(configOf(optionsOf(nodeId, 0)), logger)))
  const voters = ports.map(({ ws }, at) => `${ids[at]}@127.0.0.1:${ws.port}`).join()
  const starting = ports.map(async (port, at) => {
    const own = optionsOf(ids[at]!, port.ws.port, voters)
    try {
      return await startOn(configOf(own), own, Promise.resolve(port))
    } catch (error) {
      // The others would wait for it.
      failed.abort(error)
      throw error
    }
  })
  return clusterOf(await allStarted(starting, failed.signal))
}

async function openPorts(opening: readonly Promise<PeerPort | null>[]): Promise<readonly PeerPort[]> {
  const outcomes = await Promise.allSettled(opening)
  const opened = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value!] : []))
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue
    await closeAll(opened)
    throw outcome.reason
  }
  return opened
}

/** All of them, or none. */
async function allStarted(starting: readonly Promise<Server>[], failed: AbortSignal): Promise<readonly Server[]> {
  const outcomes = await Promise.allSettled(starting)
  const started = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  if (!failed.aborted) return started
  await closeAll(started)
  throw failed.reason
}

function clusterOf(nodes: readonly Server[]): Cluster {
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= stopAll(nodes)
    return closing
  }
  return {
    nodes,
    clusterId: nodes[0]!.clusterId,
    bootstrap: nodes.map(node => node.url),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Nobody is left to take anything over: what is under way is answered, and that is all. */
async function stopAll(nodes: readonly Server[]): Promise<void> {
  await Promise.all(nodes.map(node => node.close(wholeClusterGraceMs)))
}

async function closeAll(closables: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(closables.map(closable => closable[Symbol.asyncDispose]()))
}
