/**
 * Which brokers this controller hears of, by the monotonic clock. Lives as long as this node leads: a new leader knows
 * nothing of who was heard before, so it grants every broker a whole session timeout, but for those it saw go.
 *
 * A broker is silent when it has not been heard for a session timeout, or when its last connection closed and it has not
 * been heard again within a short grace: a process that ended is not waited for.
 */
import type { BrokerImage } from '../metadata/image.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { NodeId } from '../util/numbers.ts'

/** Checks per session timeout: a silent broker is fenced at most a quarter late. */
const checksPerTimeout = 4
const checkIntervalMsMax = 1_000
/** A check that comes later than this found the process standing still; below what it takes peers to hang up on it. */
const stallMsMin = 1_000

interface BrokerSessionsOptions {
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  /** From a closed connection to being silent. */
  readonly goneGraceMs: number
  /** Called several times in a session timeout, and when a grace is over, between `start` and `stop`. */
  readonly onCheck: () => void
}

export class BrokerSessions {
  readonly #options: BrokerSessionsOptions
  /** Monotonic time of the last sign of life in this reign. */
  readonly #heardMs = new Map<NodeId, number>()
  /** Monotonic time at which the last connection closed, of those not heard since. */
  readonly #goneMs = new Map<NodeId, number>()
  /** When the last connection of those closed that were not reached since: remembered from one reign to the next. */
  readonly #absentSinceMs = new Map<NodeId, number>()
  /** No broker counts as silent since before this. */
  #graceFromMs = 0
  /** When this process was last found to have stood still. */
  #stalledMs: number | null = null
  #nextCheckMs = 0
  #timer: Timer | null = null
  readonly #graceTimers = new Set<Timer>()

  constructor(options: BrokerSessionsOptions) {
    this.#options = options
  }

  start(): void {
    this.stop()
    this.#heardMs.clear()
    this.#goneMs.clear()
    this.#graceFromMs = this.#nowMs
    this.#stalledMs = null
    this.#schedule()
    // A leader that was killed took its broker along, and whoever leads now saw it go: its grace began then.
    for (const [nodeId, sinceMs] of this.#absentSinceMs) this.#beginGrace(nodeId, sinceMs)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    for (const timer of this.#graceTimers) timer.cancel()
    this.#graceTimers.clear()
  }

  heard(nodeId: NodeId): void {
    this.#heardMs.set(nodeId, this.#nowMs)
    this.#goneMs.delete(nodeId)
    this.#absentSinceMs.delete(nodeId)
  }

  /** There is a connection to it again, which is no sign of the broker's life: that is for the broker to give. */
  reached(nodeId: NodeId): void {
    this.#absentSinceMs.delete(nodeId)
  }

  /** Its last connection closed. From now on another process may register under its id. */
  gone(nodeId: NodeId): void {
    this.#absentSinceMs.set(nodeId, this.#nowMs)
    if (this.#timer === null) return
    this.#noticeStall()
    this.#heardMs.delete(nodeId)
    // Connections that closed because this process stood still say nothing about the brokers.
    if (this.#stalledMs !== null && this.#nowMs - this.#stalledMs <= this.#options.sessionTimeoutMs) return
    this.#beginGrace(nodeId, this.#nowMs)
  }

  /** It was heard of in this reign, not longer ago than a session timeout, and its connection has not closed since. */
  isHeard(nodeId: NodeId): boolean {
    const heardMs = this.#heardMs.get(nodeId)
    return heardMs !== undefined && this.#nowMs - heardMs <= this.#options.sessionTimeoutMs
  }

  /** Those of `brokers` that are not fenced and are silent. */
  silent(brokers: Iterable<BrokerImage>): BrokerImage[] {
    return [...brokers].filter(({ nodeId, isFenced }) => !isFenced && this.isSilent(nodeId))
  }

  isSilent(nodeId: NodeId): boolean {
    const goneMs = this.#goneMs.get(nodeId)
    if (goneMs !== undefined) return this.#nowMs - goneMs >= this.#options.goneGraceMs
    const heardMs = Math.max(this.#heardMs.get(nodeId) ?? 0, this.#graceFromMs)
    return this.#nowMs - heardMs > this.#options.sessionTimeoutMs
  }

  get #nowMs(): number {
    return this.#options.clock.nowMs()
  }

  #beginGrace(nodeId: NodeId, sinceMs: number): void {
    this.#goneMs.set(nodeId, sinceMs)
    const { clock, goneGraceMs, onCheck } = this.#options
    const timer = clock.setTimer(Math.max(0, sinceMs + goneGraceMs - this.#nowMs), () => {
      this.#graceTimers.delete(timer)
      onCheck()
    })
    this.#graceTimers.add(timer)
  }

  #schedule(): void {
    const { clock, sessionTimeoutMs, onCheck } = this.#options
    const intervalMs = Math.min(checkIntervalMsMax, sessionTimeoutMs / checksPerTimeout)
    this.#nextCheckMs = this.#nowMs + intervalMs
    this.#timer = clock.setTimer(intervalMs, () => {
      this.#noticeStall()
      this.#schedule()
      onCheck()
    })
  }

  /**
   * This process stood still (a stopped process, a blocked event loop): heartbeats sent meanwhile still wait to be read,
   * so the silence is ours and not the brokers'.
   */
  #noticeStall(): void {
    if (this.#nowMs - this.#nextCheckMs < stallMsMin) return
    this.#stalledMs = this.#graceFromMs = this.#nextCheckMs = this.#nowMs
    this.#goneMs.clear()
  }
}
