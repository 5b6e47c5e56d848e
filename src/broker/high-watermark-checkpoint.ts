/**
 * Writes down what each replica here knows to be committed and has on its disk, every few seconds if that changed and once at the end: a
 * restarted replica begins from it, serves what is below it, and cuts nothing of it off.
 */
import { isNoSpace } from '../log/failures.ts'
import type { HighWatermarks } from '../log/types.ts'
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { secondMs } from '../util/units.ts'
import type { Partition } from './partition.ts'

export interface HighWatermarkCheckpointOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly highWatermarks: HighWatermarks
  readonly partitions: () => Iterable<Partition>
  /** The disk failed. */
  readonly onFatal: (error: Error) => void
}

const intervalMs = 5 * secondMs

export class HighWatermarkCheckpoint {
  readonly #options: HighWatermarkCheckpointOptions
  #timer: Timer | null = null

  constructor(options: HighWatermarkCheckpointOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Notes them a last time: the log manager saves what is noted when it closes. */
  close(): void {
    this.#timer?.cancel()
    this.#note()
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(intervalMs, () => {
      this.#note()
      this.#options.highWatermarks.save().catch(error => this.#onFailed(error))
      this.#schedule()
    })
  }

  /** Without room it can wait. A disk that fails otherwise is not asked again. */
  #onFailed(error: Error): void {
    if (isNoSpace(error)) this.#options.logger.warn({ error }, 'high watermarks could not be saved')
    else this.#options.onFatal(error)
  }

  #note(): void {
    const { partitions, highWatermarks } = this.#options
    for (const { id, highWatermark, log } of partitions()) {
      // A follower knows of what is committed before its own disk has it, and a full disk takes that back. What then grows in
      // its place, after an unclean election, must not pass for committed in the next life of this broker.
      if (log.failure === null) highWatermarks.set(id, Math.min(highWatermark, log.durableEndOffset))
    }
  }
}
