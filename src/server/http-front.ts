/**
 * The HTTP side of the client port. `/livez` and `/readyz` answer from the moment the port is open, so that a long
 * recovery is not taken for death; the rest, metrics above all, is loaded by the first request after the node is open:
 * most nodes in tests are never asked.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { livezRoute, type Readiness, readyzRoute } from '../http/health.ts'
import type { HttpRoutes, MetricsSources } from '../http/index.ts'
import { createRouter, type RequestHandler } from '../http/router.ts'
import type { WsServerStats } from '../platform/ws-server.ts'
import { latencyBucketsMs } from '../transport/stats.ts'
import type { Logger } from '../util/logger.ts'
import { version } from '../util/version.ts'
import { clusterView, partitionViews } from './metrics-views.ts'
import type { Node } from './node.ts'

export interface HttpFrontOptions {
  readonly logger: Logger
  /** `metrics.partition.series.max` */
  readonly partitionSeriesMax: number
}

export class HttpFront {
  readonly #options: HttpFrontOptions
  readonly #early: RequestHandler
  #node: { readonly node: Node; readonly port: WsServerStats } | null = null
  #routes: Promise<HttpRoutes> | null = null
  #isServing = false
  #waitsFor: (() => readonly string[]) | null = null

  constructor(options: HttpFrontOptions) {
    this.#options = options
    const routes = new Map([
      ['/livez', livezRoute()],
      ['/readyz', readyzRoute(() => this.#readiness())],
    ])
    this.#early = createRouter(routes, options.logger)
  }

  readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#node === null) {
      this.#early(request, response)
      return
    }
    this.#routes ??= this.#load(this.#node.node, this.#node.port)
    this.#routes.then(
      routes => routes.onRequest(request, response),
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

  async close(): Promise<void> {
    const routes = await this.#routes
    routes?.close()
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
    const { logger, partitionSeriesMax } = this.#options
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
    return openHttpRoutes({ readiness: () => this.#readiness(), metrics, logger })
  }
}
