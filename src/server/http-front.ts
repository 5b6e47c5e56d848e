/**
 * The HTTP side of the client port. `/livez` and `/readyz` answer from the moment the port is open, so that a long
 * recovery is not taken for death; the rest, metrics and REST, is loaded by the first request after the node is open:
 * most nodes in tests are never asked.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { livezRoute, type Readiness, readyzRoute } from '../http/health.ts'
import type { HttpRoutes, MetricsSources } from '../http/index.ts'
import { createRouter, type RequestHandler, type RestLimits } from '../http/router.ts'
import { nodeCodecs } from '../platform/codecs.ts'
import type { WsServerStats } from '../platform/ws-server.ts'
import { latencyBucketsMs } from '../transport/stats.ts'
import type { Logger } from '../util/logger.ts'
import { secondMs } from '../util/units.ts'
import { version } from '../util/version.ts'
import { clusterView, partitionViews } from './metrics-views.ts'
import type { Node } from './node.ts'

/** For answers on their way, when everything behind them has closed. */
const closeGraceMs = secondMs

export interface HttpFrontOptions {
  readonly logger: Logger
  readonly rest: RestLimits
  /** `metrics.partition.series.max` */
  readonly partitionSeriesMax: number
}

export class HttpFront {
  readonly #options: HttpFrontOptions
  readonly #early: RequestHandler
  #node: { readonly node: Node; readonly port: WsServerStats } | null = null
  #loading: Promise<HttpRoutes> | null = null
  #routes: HttpRoutes | null = null
  #isServing = false
  #waitsFor: (() => readonly string[]) | null = null

  constructor(options: HttpFrontOptions) {
    this.#options = options
    const routes = new Map([
      ['/livez', livezRoute()],
      ['/readyz', readyzRoute(() => this.#readiness())],
    ])
    this.#early = createRouter({ routes, isStarting: true, logger: options.logger })
  }

  readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#node === null) {
      this.#early(request, response)
      return
    }
    if (this.#routes !== null) {
      this.#routes.onRequest(request, response)
      return
    }
    this.#loading ??= this.#load(this.#node.node, this.#node.port)
    this.#loading.then(
      routes => {
        this.#routes = routes
        routes.onRequest(request, response)
      },
      (error: unknown) => {
        this.#options.logger.error({ error }, 'the HTTP routes could not be loaded')
        response.destroy()
      },
    )
  }

  /** The node has its data open and waits for others; `reasons` says for whom. */
  wait(reasons: () => readonly string[]): void {
    this.#waitsFor = reasons
  }

  /** The node is open; what it says about itself can be asked. */
  open(node: Node, port: WsServerStats): void {
    this.#node = { node, port }
  }

  /** The node is registered and takes requests. */
  serve(): void {
    this.#isServing = true
  }

  /** Call it when nothing waits any more: what is answered is still given a moment to leave. */
  async close(): Promise<void> {
    const routes = await this.#loading
    await routes?.close(closeGraceMs)
  }

  #readiness(): Readiness {
    if (this.#node === null) {
      return { isReady: false, reasons: this.#waitsFor?.() ?? ['The node is opening its data.'] }
    }
    const reasons = this.#node.node.notReadyReasons()
    return { isReady: reasons.length === 0 && this.#isServing, reasons }
  }

  async #load(node: Node, port: WsServerStats): Promise<HttpRoutes> {
    const { openHttpRoutes } = await import('../http/index.ts')
    const { logger, rest, partitionSeriesMax } = this.#options
    const network = node.peerNetwork
    const metrics: MetricsSources = {
      version,
      nodeId: node.nodeId,
      transport: () => node.listener.stats,
      latencyBucketsMs,
      port: () => port,
      log: () => node.logs.stats(),
      broker: () => node.broker.stats,
      replication: () => node.broker.replication(),
      quorum: () => node.controller.status(),
      ...(network === null ? {} : { peers: () => ({ ...network.stats, unreached: network.unreached().length }) }),
      partitions: () => partitionViews(node),
      cluster: () => clusterView(node.controller.metadata.image()),
      partitionSeriesMax,
    }
    return openHttpRoutes({
      readiness: () => this.#readiness(),
      metrics,
      rest: { ...rest, records: node.broker.records, codecs: nodeCodecs },
      logger,
    })
  }
}
