/**
 * Refuses appends before the disk is full, so that checkpoints, metadata and the operator still have room, and lets
 * them through when space has returned. Looks every few seconds, and sooner when many bytes were written since.
 */
import type { Clock, Timer } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { Disk } from './disk.ts'
import { toError } from './failures.ts'

export interface SpaceWatchOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly directory: string
  readonly reserveBytes: number
  readonly intervalMs: number
}

export class SpaceWatch {
  readonly #options: SpaceWatchOptions
  #timer: Timer | null = null
  #freeBytes = Number.POSITIVE_INFINITY
  #writtenSinceCheck = 0
  #isLow = false
  #isChecking = false

  constructor(options: SpaceWatchOptions) {
    this.#options = options
  }

  /** Appends must be refused. */
  get isLow(): boolean {
    return this.#isLow
  }

  /** Looks at once and from then on regularly, until `stop`. */
  async start(): Promise<void> {
    await this.check()
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  /** Bytes went to the disk: when half of the known room may be used up, it is time to look again. */
  noteWritten(sizeBytes: number): void {
    this.#writtenSinceCheck += sizeBytes
    if (this.#writtenSinceCheck * 2 > this.#freeBytes - this.#options.reserveBytes) void this.check()
  }

  /** A write failed for lack of room: refuse until a look says otherwise. */
  noteFull(): void {
    this.#setLow(true)
  }

  async check(): Promise<void> {
    if (this.#isChecking) return
    this.#isChecking = true
    const { disk, directory, reserveBytes, logger } = this.#options
    try {
      this.#writtenSinceCheck = 0
      this.#freeBytes = await disk.freeBytes(directory)
      this.#setLow(this.#freeBytes < reserveBytes)
    } catch (error) {
      logger.warn({ directory, error: toError(error).message }, 'free disk space is unknown')
    } finally {
      this.#isChecking = false
    }
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.check().then(() => {
        if (this.#timer !== null) this.#schedule()
      })
    })
  }

  #setLow(isLow: boolean): void {
    if (isLow === this.#isLow) return
    this.#isLow = isLow
    const { directory, logger, reserveBytes } = this.#options
    const fields = { directory, freeBytes: this.#freeBytes, reserveBytes }
    if (isLow) logger.error(fields, 'disk is full: appends are refused')
    else logger.info(fields, 'disk has room again: appends resume')
  }
}
