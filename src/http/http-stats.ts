/** What the HTTP side counts, in plain numbers; cumulative unless a name says otherwise. */
import { Histogram, latencyBucketsMs } from '../broker/stats.ts'

export class RouteStats {
  readonly byStatus = new Map<number, number>()
  /** Of bodies. */
  bytesIn = 0
  bytesOut = 0
  /** From the head of a request to its answer, waiting of long polls included. */
  readonly durationMs = new Histogram(latencyBucketsMs)

  count(status: number, elapsedMs: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
    this.durationMs.observe(elapsedMs)
  }
}

export class HttpStats {
  /** By the name of a route; `none` for what no route is there for. */
  readonly routes = new Map<string, RouteStats>()
  /** Level: requests not answered yet. */
  inFlight = 0
  /** Called when the last request under way has ended. */
  onIdle: () => void = () => {}
  /** Level: bytes of bodies and answers in memory, with an overhead for each request. */
  heldBytes = 0
  /** Level: requests that wait for others to give memory back. */
  waiting = 0
  readonly refused = { overload: 0, pipelining: 0, 'slow-reader': 0 }

  route(name: string): RouteStats {
    let stats = this.routes.get(name)
    if (stats === undefined) {
      stats = new RouteStats()
      this.routes.set(name, stats)
    }
    return stats
  }
}
