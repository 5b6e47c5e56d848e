/**
 * Watches the fetches that are not answered. A node keeps one as long as it waits for records, and not much longer: one
 * that does may stand still, frozen or cut off. Then the view is refreshed from other nodes, and a partition that has
 * another leader by now, or was read from a replica that is not its leader, is fetched there instead, long before the
 * request times out. What the silent node answers in the end is not looked at.
 */
import { removeFrom } from '../../util/remove-from.ts'
import type { Cluster } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { answerLateMs } from '../options.ts'
import type { Staleness } from '../staleness.ts'
import type { FetchItem } from './fetch-request.ts'
import type { FetchRoutes } from './fetch-routes.ts'

export interface SentFetch {
  readonly connection: Connection
  readonly items: readonly FetchItem[]
  /** On the monotonic clock: from then on the answer is late. */
  readonly lateAtMs: number
}

export class LateFetches {
  readonly #cluster: Cluster
  readonly #staleness: Staleness
  readonly #routes: FetchRoutes
  /** Oldest first. */
  readonly #unanswered: SentFetch[] = []
  #lookAgainMs = 0

  constructor(cluster: Cluster, staleness: Staleness, routes: FetchRoutes) {
    this.#cluster = cluster
    this.#staleness = staleness
    this.#routes = routes
  }

  add(sent: SentFetch): void {
    this.#unanswered.push(sent)
  }

  remove(sent: SentFetch): void {
    removeFrom(this.#unanswered, sent)
  }

  /** Gives up waiting where another node will do. Returns when to look again, on the monotonic clock. */
  look(nowMs: number): number {
    const late: SentFetch[] = []
    for (const sent of this.#unanswered) {
      if (nowMs < sent.lateAtMs) {
        if (late.length === 0) return sent.lateAtMs
        break
      }
      late.push(sent)
    }
    if (late.length === 0) return Number.POSITIVE_INFINITY
    for (const sent of late) this.#onLate(sent, nowMs)
    if (nowMs >= this.#lookAgainMs) {
      this.#staleness.mark()
      this.#lookAgainMs = nowMs + answerLateMs
    }
    return this.#lookAgainMs
  }

  #onLate({ connection, items }: SentFetch, nowMs: number): void {
    const { nodes } = this.#cluster
    nodes.suspect(connection)
    let isGivenUp = false
    for (const { partition, fetch } of items) {
      const leader = this.#cluster.leader(partition.topic, partition.partition)
      if (partition.fetch !== fetch || leader === null) continue
      if (leader.leaderEpoch <= fetch.leaderEpoch && leader.leaderId === fetch.nodeId) continue
      partition.fetch = null
      if (leader.leaderId !== fetch.nodeId) this.#routes.leaveNearest(partition, nowMs)
      isGivenUp = true
    }
    // Its other partitions are fetched anew over another connection, which does them no harm.
    if (isGivenUp) nodes.discard(connection)
  }
}
