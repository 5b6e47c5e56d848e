/**
 * Keeps the view of the cluster fit for use: refreshes when somebody found it stale, one at a time. The first refresh is
 * immediate. While trouble goes on, such as a partition whose leader died and that has no other yet, the next ones follow
 * at an interval in proportion to how long it has lasted, so that waiting for the view adds little to any outage, and
 * asking costs little in a long one.
 */
import type { Cluster } from './cluster.ts'
import { backoffDelayMs, spread } from './wait.ts'

/** An interval between refreshes is this part of the time the trouble has lasted. */
const intervalPart = 1 / 20

export class Staleness {
  readonly #cluster: Cluster
  readonly #onRefreshed: () => void
  #isStale = false
  #isRefreshing = false
  #failures = 0
  /** When the trouble began that refreshes are for, on the monotonic clock. */
  #sinceMs = 0
  #notBeforeMs = Number.NEGATIVE_INFINITY
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
    // Nobody asked for a while: the last trouble is over, this is another.
    if (nowMs > this.#notBeforeMs + this.#cluster.settings.backoffMsMax) this.#sinceMs = nowMs
    this.#isRefreshing = true
    this.#isStale = false
    this.#cluster.refresh().then(
      () => this.#onDone(null),
      (error: Error) => this.#onDone(error),
    )
    return Number.POSITIVE_INFINITY
  }

  #onDone(error: Error | null): void {
    this.#isRefreshing = false
    this.lastError = error
    this.#failures = error === null ? 0 : this.#failures + 1
    if (error !== null) this.#isStale = true
    this.#notBeforeMs = this.#cluster.settings.clock.nowMs() + this.#delayMs()
    this.#onRefreshed()
  }

  #delayMs(): number {
    const { settings } = this.#cluster
    const { backoffMs, backoffMsMax, clock, random } = settings
    if (this.#failures > 0) return backoffDelayMs(settings, this.#failures, random)
    // Even when all went well: a partition without a leader gets one in its own time.
    const lastedMs = clock.nowMs() - this.#sinceMs
    return spread(Math.min(Math.max(lastedMs * intervalPart, backoffMs / 2), backoffMsMax), random)
  }
}
