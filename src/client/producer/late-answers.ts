/**
 * Watches the produce requests that are not answered. An answer that is late says little by itself: replicas may be slow,
 * or the leader may stand still, frozen or cut off, and be replaced meanwhile. So the view is refreshed as long as one is
 * late, from other nodes; and what was sent to a leader that is one no longer is taken back, to go to its successor, long
 * before the request times out.
 *
 * The old leader may have written such a batch, and even have had it committed before it fell silent: it is then written
 * twice. Only an idempotent producer could tell.
 */
import { ApiError } from '../../protocol/errors.ts'
import { removeFrom } from '../../util/remove-from.ts'
import type { Cluster } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { answerLateMs } from '../options.ts'
import type { Staleness } from '../staleness.ts'
import type { ProduceItem } from './produce-request.ts'

export interface SentRequest {
  readonly connection: Connection
  readonly items: readonly ProduceItem[]
  /** On the monotonic clock. */
  readonly sentAtMs: number
}

export class LateAnswers {
  readonly #cluster: Cluster
  readonly #staleness: Staleness
  /** Oldest first. */
  readonly #unanswered: SentRequest[] = []
  /** The view is another since the last look. */
  #hasNews = false
  #lookAgainMs = 0

  constructor(cluster: Cluster, staleness: Staleness) {
    this.#cluster = cluster
    this.#staleness = staleness
    cluster.onUpdate(() => {
      this.#hasNews = true
    })
  }

  add(request: SentRequest): void {
    this.#unanswered.push(request)
  }

  remove(request: SentRequest): void {
    removeFrom(this.#unanswered, request)
  }

  /**
   * Looks whether answers are late, and hands every batch that another leader shall have to `onTakenBack`, in its queue
   * already. Returns when to look again, on the monotonic clock.
   */
  look(nowMs: number, onTakenBack: (item: ProduceItem, batchCount: number) => void): number {
    const oldest = this.#unanswered[0]
    if (oldest === undefined) return Number.POSITIVE_INFINITY
    if (nowMs < oldest.sentAtMs + answerLateMs) return oldest.sentAtMs + answerLateMs
    const isDue = nowMs >= this.#lookAgainMs
    if (!isDue && !this.#hasNews) return this.#lookAgainMs
    this.#hasNews = false
    for (const request of this.#unanswered) {
      if (nowMs < request.sentAtMs + answerLateMs) break
      this.#cluster.nodes.suspect(request.connection)
      for (const item of request.items) this.#maybeTakeBack(request, item, onTakenBack)
    }
    if (isDue) {
      this.#staleness.mark()
      this.#lookAgainMs = nowMs + answerLateMs
    }
    return this.#lookAgainMs
  }

  #maybeTakeBack(
    { connection }: SentRequest,
    item: ProduceItem,
    onTakenBack: (item: ProduceItem, batchCount: number) => void,
  ): void {
    const { queue } = item
    const leader = this.#cluster.leader(queue.topic, queue.partition)
    if (leader === null) return
    const message = `${queue.topic}-${queue.partition}: node ${item.leaderId} did not answer, and node ${leader.leaderId} leads now`
    const batchCount = queue.takeBack(leader.leaderEpoch, new ApiError('REQUEST_TIMED_OUT', message))
    if (batchCount === 0) return
    // The same node, started again behind a connection that has not noticed.
    if (this.#cluster.nodes.openTo(leader.leaderId) === connection) this.#cluster.nodes.discard(connection)
    onTakenBack(item, batchCount)
  }
}
