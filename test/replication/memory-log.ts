/** A replica's log in memory: what the core sees of it, and what a driver does to it. */
import type { BatchRange, LogView } from '../../src/replication/types.ts'
import { assert } from '../../src/util/assert.ts'
import { type LeaderEpoch, type Offset, toLeaderEpoch } from '../../src/util/numbers.ts'

export class MemoryLog implements LogView {
  /** Epoch of each record; index 0 is offset `baseOffset`. */
  #epochs: LeaderEpoch[] = []
  #baseOffset: Offset = 0
  logStartOffset: Offset = 0
  durableEndOffset: Offset = 0

  /** One record for each epoch given; durable at once. */
  static of(...epochs: number[]): MemoryLog {
    const log = new MemoryLog()
    for (const epoch of epochs) log.append(epoch)
    return log
  }

  get startBatchOffset(): Offset {
    return this.logStartOffset
  }

  get logEndOffset(): Offset {
    return this.#baseOffset + this.#epochs.length
  }

  get latestEpoch(): LeaderEpoch | null {
    return this.#epochs.at(-1) ?? null
  }

  get epochs(): readonly number[] {
    return this.#epochs
  }

  append(epoch: number, isDurable = true): void {
    assert((this.latestEpoch ?? -1) <= epoch, 'epochs rise along a log')
    this.#epochs.push(toLeaderEpoch(epoch))
    if (isDurable) this.durableEndOffset = this.logEndOffset
  }

  epochAt(offset: Offset): LeaderEpoch {
    const epoch = this.#epochs[offset - this.#baseOffset]
    assert(epoch !== undefined && offset >= this.logStartOffset, 'the record is in the log')
    return epoch
  }

  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null {
    const at = this.#epochs.findLastIndex((own, i) => own <= epoch && this.#baseOffset + i >= this.logStartOffset)
    return at < 0 ? null : { epoch: this.#epochs[at]!, endOffset: this.#baseOffset + at + 1 }
  }

  /** Each record as a batch of its own. */
  read(fromOffset: Offset, countMax: number): BatchRange[] {
    const endOffset = Math.min(this.logEndOffset, fromOffset + countMax)
    return Array.from({ length: endOffset - fromOffset }, (_, i) => {
      const baseOffset = fromOffset + i
      return { baseOffset, endOffset: baseOffset + 1, leaderEpoch: this.epochAt(baseOffset) }
    })
  }

  truncateTo(offset: Offset): void {
    this.#epochs.length = Math.max(0, offset - this.#baseOffset)
    this.durableEndOffset = Math.min(this.durableEndOffset, this.logEndOffset)
  }

  restartAt(offset: Offset): void {
    this.#epochs = []
    this.#baseOffset = offset
    this.logStartOffset = offset
    this.durableEndOffset = offset
  }

  deleteBelow(offset: Offset): void {
    this.logStartOffset = Math.max(this.logStartOffset, offset)
  }
}
