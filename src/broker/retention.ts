/**
 * Deletes old segments, one partition after another, every `log.retention.check.interval.ms`. The logs themselves doubt
 * a wall clock that jumped forward.
 */
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import type { BrokerStats } from './stats.ts'

export interface RetentionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly partitions: PartitionRegistry
  readonly stats: BrokerStats
  readonly checkIntervalMs: number
}

export class Retention implements AsyncDisposable {
  readonly #options: RetentionOptions
  #timer: Timer | null = null
  #running: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#schedule()
  }

  /** One pass over all partitions. Never rejects: a partition that fails is logged and left to the next pass. */
  async run(): Promise<void> {
    const { clock, partitions, stats, logger } = this.#options
    const nowMs = clock.wallClockMs()
    for (const partition of [...partitions.all()]) {
      if (this.#isClosed) return
      if (!partition.isLeader) continue
      try {
        const { segments, bytes } = await partition.applyRetention(nowMs)
        if (segments === 0) continue
        stats.segmentsDeleted += segments
        stats.bytesDeleted += bytes
        logger.info(
          { ...partition.id, segments, bytes, logStartOffset: partition.log.logStartOffset },
          'retention deleted segments',
        )
      } catch (error) {
        logger.error({ ...partition.id, error }, 'retention failed')
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#running
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.checkIntervalMs, () => {
      this.#running = this.run().then(() => {
        if (!this.#isClosed) this.#schedule()
      })
    })
  }
}
