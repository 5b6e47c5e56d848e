/** Keeps the view of the cluster fit for use: refreshes when somebody found it stale, one at a time, with backoff. */
import type { Cluster } from './cluster.ts'
import { backoffDelayMs } from './wait.ts'

export class Staleness {
  readonly #cluster: Cluster
  readonly #onRefreshed: () => void
  #isStale = false
  #isRefreshing = false
  #failures = 0
  #notBeforeMs = 0
  /** Why the last attempt failed; `null` when it did not. */
  lastError: Error | null = null

  constructor(cluster: Cluster, onRefreshed: () => void) {
    this.#cluster = cluster
    this.#onRefreshed = onRefreshed
  }

  /** Something the view says turned out wrong, or it says too little. */
  mark(): void {
    this.#isStale = true
  }

  /** Starts a refresh if one is due. Returns when to ask again, on the monotonic clock; infinity when nothing is due. */
  refreshIfDue(nowMs: number): number {
    if (!this.#isStale || this.#isRefreshing) return Number.POSITIVE_INFINITY
    if (nowMs < this.#notBeforeMs) return this.#notBeforeMs
    this.#isRefreshing = true
    this.#isStale = false
    this.#cluster.refresh().then(
      () => this.#onDone(null),
      (error: Error) => this.#onDone(error),
    )
    return Number.POSITIVE_INFINITY
  }

  #onDone(error: Error | null): void {
    const { settings } = this.#cluster
    this.#isRefreshing = false
    this.lastError = error
    this.#failures = error === null ? 0 : this.#failures + 1
    if (error !== null) this.#isStale = true
    // Even when all went well: a partition without a leader gets one in its own time.
    this.#notBeforeMs = settings.clock.nowMs() + backoffDelayMs(settings, this.#failures, settings.random)
    this.#onRefreshed()
  }
}
