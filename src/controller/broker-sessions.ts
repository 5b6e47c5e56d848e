/**
 * Which brokers this controller hears of, by the monotonic clock. Lives as long as this node leads: a new leader knows
 * nothing of who was heard before, so it grants every broker a whole session timeout.
 */
import type { BrokerImage } from '../metadata/image.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { NodeId } from '../util/numbers.ts'

/** Checks per session timeout: a silent broker is fenced at most a quarter late. */
const checksPerTimeout = 4

export class BrokerSessions {
  readonly #clock: Clock
  readonly #sessionTimeoutMs: number
  readonly #onCheck: () => void
  /** Monotonic time of the last sign of life in this reign. */
  readonly #heardMs = new Map<NodeId, number>()
  /** No broker counts as silent since before this. */
  #graceFromMs = 0
  #lastCheckMs = 0
  #timer: Timer | null = null

  /** `onCheck` is called every quarter of a session timeout between `start` and `stop`. */
  constructor(options: { clock: Clock; sessionTimeoutMs: number; onCheck: () => void }) {
    this.#clock = options.clock
    this.#sessionTimeoutMs = options.sessionTimeoutMs
    this.#onCheck = options.onCheck
  }

  start(): void {
    this.stop()
    this.#heardMs.clear()
    this.#graceFromMs = this.#lastCheckMs = this.#clock.nowMs()
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  heard(nodeId: NodeId): void {
    this.#heardMs.set(nodeId, this.#clock.nowMs())
  }

  /** It was heard of in this reign, and not longer ago than a session timeout. */
  isHeard(nodeId: NodeId): boolean {
    const at = this.#heardMs.get(nodeId)
    return at !== undefined && this.#clock.nowMs() - at <= this.#sessionTimeoutMs
  }

  /** Those of `brokers` that are not fenced and have been silent for more than a session timeout. */
  silent(brokers: Iterable<BrokerImage>): BrokerImage[] {
    const nowMs = this.#clock.nowMs()
    return [...brokers].filter(({ nodeId, isFenced }) => {
      const heardMs = Math.max(this.#heardMs.get(nodeId) ?? 0, this.#graceFromMs)
      return !isFenced && nowMs - heardMs > this.#sessionTimeoutMs
    })
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(this.#sessionTimeoutMs / checksPerTimeout, () => {
      const nowMs = this.#clock.nowMs()
      // This process stood still (a stopped process, a blocked event loop): heartbeats sent meanwhile still wait to be
      // read, so the silence is ours and not the brokers'.
      if (nowMs - this.#lastCheckMs > this.#sessionTimeoutMs) this.#graceFromMs = nowMs
      this.#lastCheckMs = nowMs
      this.#schedule()
      this.#onCheck()
    })
  }
}
