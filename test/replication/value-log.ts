/** A log whose records can be told apart, on a disk that may lose what was not synced. */
import type { LeaderEpoch, Offset } from '../../src/util/numbers.ts'
import { MemoryLog } from './memory-log.ts'

export type FlushPolicy = 'sync' | 'os'

export class ValueLog extends MemoryLog {
  readonly #policy: FlushPolicy
  readonly #values = new Map<Offset, number>()
  /** Exclusive; under `os` behind what counts as durable. */
  syncedEndOffset: Offset = 0

  constructor(policy: FlushPolicy) {
    super()
    this.#policy = policy
  }

  add(epoch: LeaderEpoch, value: number): void {
    this.#values.set(this.logEndOffset, value)
    this.append(epoch, this.#policy === 'os')
  }

  valueAt(offset: Offset): number {
    this.epochAt(offset)
    return this.#values.get(offset)!
  }

  sync(): void {
    this.syncedEndOffset = this.logEndOffset
    this.durableEndOffset = this.logEndOffset
  }

  override truncateTo(offset: Offset): void {
    super.truncateTo(offset)
    this.syncedEndOffset = Math.min(this.syncedEndOffset, this.logEndOffset)
  }

  override restartAt(offset: Offset): void {
    super.restartAt(offset)
    this.syncedEndOffset = offset
  }

  /** Starts again with what is there, which is on disk now. */
  reopen(endOffset: Offset): void {
    this.truncateTo(Math.max(endOffset, this.logStartOffset))
    this.sync()
  }
}
