/**
 * Gives partitions back to their preferred leaders from time to time, while this node is the active controller: after a
 * broker was away, everything it led is led by others, and nothing else would ever move it back.
 */
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'

/** Of one decision: the requests that wait behind it must not notice. */
export const balanceElectionsMax = 1_000
/** Between two decisions when one was not enough. */
const nextPartMs = 100

export interface LeaderBalanceOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** `null`: never. */
  readonly intervalMs: number | null
  /** Moves `balanceElectionsMax` leaderships at most, and resolves with how many. */
  readonly balance: () => Promise<number>
}

export class LeaderBalance {
  readonly #options: LeaderBalanceOptions
  #timer: Timer | null = null
  /** What was begun in an earlier reign does not go on in this one. */
  #reign = 0

  constructor(options: LeaderBalanceOptions) {
    this.#options = options
  }

  start(): void {
    this.stop()
    if (this.#options.intervalMs !== null) this.#schedule(this.#options.intervalMs)
  }

  stop(): void {
    this.#reign++
    this.#timer?.cancel()
    this.#timer = null
  }

  #schedule(delayMs: number): void {
    const reign = this.#reign
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#look(reign))
  }

  /** Never rejects. */
  async #look(reign: number): Promise<void> {
    const nextMs = await this.#giveBack()
    if (reign === this.#reign) this.#schedule(nextMs)
  }

  /** Resolves with the time until the next look. */
  async #giveBack(): Promise<number> {
    const { logger, intervalMs, balance } = this.#options
    try {
      const moved = await balance()
      if (moved > 0) logger.info({ partitions: moved }, 'preferred leaders lead again')
      if (moved === balanceElectionsMax) return nextPartMs
    } catch (error) {
      logger.warn({ error: String(error) }, 'preferred leaders could not be given their partitions back; trying again')
    }
    return intervalMs!
  }
}
