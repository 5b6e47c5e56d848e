/**
 * Of which leader epochs the records are that a consumer has fetched of a partition: by this its leader tells whether the log
 * still has them (KIP-320). Epochs rise along a log, so one entry stands for all batches of an epoch.
 */
import { noEpoch } from '../../util/numbers.ts'
import type { EpochStart } from './types.ts'

/** How many leaders back a trail reaches: more than pass between two fetches, so that where logs part is found at once. */
const entriesMax = 32

/** Where an epoch of the leader's log ends, as a divergence names it. */
export interface EpochEnd {
  readonly epoch: number
  /** Exclusive. */
  readonly endOffset: number
}

export class EpochTrail {
  /** Ascending in both; an epoch lasts until the next entry. */
  #entries: EpochStart[] = []

  /** Goes on at `offset`, with what `upTo` said of the records before it, perhaps in another process. */
  restart(offset: number, epochs: readonly EpochStart[]): void {
    this.#entries = epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })).slice(-entriesMax)
    this.cut(offset)
  }

  /** What is known of the records before `offset`. */
  upTo(offset: number): readonly EpochStart[] {
    return this.#entries.filter(({ startOffset }) => startOffset < offset)
  }

  /** A batch of `epoch` was fetched that begins at `baseOffset`. */
  append(epoch: number, baseOffset: number): void {
    const last = this.#entries.at(-1)
    if (last?.epoch === epoch) return
    // No log has epochs that fall: there is nothing to compare with what was read before.
    if (last !== undefined && last.epoch > epoch) this.#entries = []
    this.#entries.push({ epoch, startOffset: baseOffset })
    if (this.#entries.length > entriesMax) this.#entries.shift()
  }

  /** Forgets what begins at `endOffset` or above. */
  cut(endOffset: number): void {
    while (this.#entries.length > 0 && this.#entries.at(-1)!.startOffset >= endOffset) this.#entries.pop()
  }

  /** Leader epoch of the last record before `offset`; `noEpoch` if it is not known. */
  epochBefore(offset: number): number {
    return this.#entries.findLast(entry => entry.startOffset < offset)?.epoch ?? noEpoch
  }

  /**
   * Where, below `offset`, the leader's log of which it says `end` leaves this one, as far as the two can tell (exclusive), and
   * what is known of the records before. Not that they are as the leader has them: what an older epoch wrote there may have
   * been overwritten in the log that was read.
   */
  parting(offset: number, { epoch, endOffset }: EpochEnd): { commonEnd: number; epochs: readonly EpochStart[] } {
    const other = this.#entries.find(entry => entry.epoch > epoch)
    const commonEnd = Math.max(0, Math.min(offset - 1, endOffset, other?.startOffset ?? offset))
    const epochs = this.upTo(commonEnd)
    // An epoch of both logs is one leader's: they are the same to where the shorter one ends.
    const isOfBoth = epochs.length === 0 && commonEnd > 0 && this.#entries[0]?.epoch === epoch
    return { commonEnd, epochs: isOfBoth ? [{ epoch, startOffset: commonEnd - 1 }] : epochs }
  }
}
