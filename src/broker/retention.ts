/**
 * Deletes old segments, one partition after another, every `log.retention.check.interval.ms`. Retention compares record
 * times with the wall clock, the only place where a clock that jumps could delete data: a clock that ran ahead of the
 * monotonic one since the last tick is not believed for `distrustMs`. If it is still ahead then, it was set, not torn.
 */
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { hourMs, minuteMs } from '../util/units.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import type { BrokerStats } from './stats.ts'

/** A jump forward of more than this between two ticks is a jump, not drift. */
const jumpMs = 5 * minuteMs
const distrustMs = hourMs

export interface RetentionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly partitions: PartitionRegistry
  readonly stats: BrokerStats
  readonly checkIntervalMs: number
}

export class Retention implements AsyncDisposable {
  readonly #options: RetentionOptions
  readonly #trusted: TrustedClock
  #timer: Timer | null = null
  #running: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#trusted = new TrustedClock(options.clock, options.logger)
    this.#schedule()
  }

  /** One pass over all partitions. Never rejects: a partition that fails is logged and left to the next pass. */
  async run(): Promise<void> {
    const { partitions, stats, logger } = this.#options
    const nowMs = this.#trusted.read()
    for (const partition of [...partitions.all()]) {
      if (this.#isClosed) return
      if (!partition.isLeader) continue
      try {
        const { segments, bytes } = await partition.log.applyRetention(nowMs, partition.highWatermark)
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

/** The wall clock, without its sudden jumps forward. */
export class TrustedClock {
  readonly #clock: Clock
  readonly #logger: Logger
  /** Wall clock minus monotonic clock, as believed. */
  #offsetMs: number
  #doubtedSinceMs: number | null = null

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
    this.#offsetMs = clock.wallClockMs() - clock.nowMs()
  }

  read(): number {
    const nowMs = this.#clock.nowMs()
    const offsetMs = this.#clock.wallClockMs() - nowMs
    if (offsetMs - this.#offsetMs <= jumpMs) {
      this.#offsetMs = offsetMs
      this.#doubtedSinceMs = null
    } else if (this.#doubtedSinceMs === null) {
      this.#doubtedSinceMs = nowMs
      this.#logger.warn(
        { jumpMs: offsetMs - this.#offsetMs },
        'the wall clock jumped forward; retention does not follow it yet',
      )
    } else if (nowMs - this.#doubtedSinceMs >= distrustMs) {
      this.#offsetMs = offsetMs
      this.#doubtedSinceMs = null
    }
    return nowMs + this.#offsetMs
  }
}
