/**
 * What the nemesis does to the disk with the partitions of one machine, over all lives of what runs there: calls that
 * fail or never return, syncs that take long, and no room.
 */
import type { Random } from '../../util/random.ts'
import type { OperationKind, SimDisk, SimOperation } from '../sim-disk.ts'

export type LogDiskFault = 'EIO' | 'hang'

/** Bytes that are left on a disk that fills up: some more batches. */
const lastBytes = 2_000

export class LogDiskFaults {
  readonly #random: Random
  readonly #syncDelayMs: number
  readonly #nowMs: () => number
  /** Of a call of this kind, at the next chance. */
  #next: { readonly kind: OperationKind; readonly fault: LogDiskFault } | null = null
  #slowUntilMs = 0
  #slowMs = 0
  /** A call failed, or never returned, in this life of the process. */
  hasFailed = false
  /** Since the world began. */
  readonly counts = { failed: 0, hung: 0, slow: 0 }

  constructor(random: Random, syncDelayMs: number, nowMs: () => number) {
    this.#random = random
    this.#syncDelayMs = syncDelayMs
    this.#nowMs = nowMs
  }

  failNext(fault: LogDiskFault): void {
    const kind = fault === 'hang' || this.#random.nextInt(2) === 0 ? 'sync' : 'write'
    this.#next = { kind, fault }
  }

  /** Syncs take up to `mostMs`, for a while. */
  slowDown(mostMs: number, forMs: number): void {
    this.#slowUntilMs = this.#nowMs() + forMs
    this.#slowMs = mostMs
  }

  fill(disk: SimDisk): void {
    disk.capacityBytes = disk.usedBytes + this.#random.nextInt(lastBytes)
  }

  /** Nothing is planned any more, and there is room. */
  end(disk: SimDisk): void {
    this.#next = null
    this.#slowUntilMs = 0
    disk.capacityBytes = Number.POSITIVE_INFINITY
  }

  /** For `SimDisk`. */
  readonly syncDelay = (): number => {
    if (this.#nowMs() >= this.#slowUntilMs) return this.#syncDelayMs
    this.counts.slow++
    return this.#random.nextFloat() * this.#slowMs
  }

  /** For `SimDisk`. */
  readonly intercept = ({ kind }: SimOperation): LogDiskFault | null => {
    if (this.#next?.kind !== kind) return null
    const { fault } = this.#next
    this.#next = null
    this.hasFailed = true
    this.counts[fault === 'hang' ? 'hung' : 'failed']++
    return fault
  }
}
