/**
 * Where each leader epoch of a log begins (KIP-101): ascending in epoch and in offset, one entry per epoch that wrote
 * something. Pure; kept in `leader-epoch-checkpoint` in Kafka's text form.
 */
import { assert, assertAtMost, assertLess } from '../util/assert.ts'
import type { LeaderEpoch, Offset } from '../util/numbers.ts'
import { toLeaderEpoch } from '../util/numbers.ts'

export interface EpochEntry {
  readonly epoch: LeaderEpoch
  /** First offset written under this epoch that is still in the log. */
  readonly startOffset: Offset
}

export class EpochHistory {
  #entries: EpochEntry[] = []
  /** Raised by every change: tells whether the checkpoint file is out of date. */
  #version = 0

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = [...entries]
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  get version(): number {
    return this.#version
  }

  get latestEpoch(): LeaderEpoch | null {
    return this.#entries.at(-1)?.epoch ?? null
  }

  /** Notes that a batch of `epoch` begins at `startOffset`. Epochs never go back. */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    const last = this.#entries.at(-1)
    if (last !== undefined) {
      if (last.epoch === epoch) return
      assertLess(last.epoch, epoch, 'leader epochs rise along the log')
      assertAtMost(last.startOffset, startOffset, 'epoch start offsets rise')
    }
    this.#entries.push({ epoch, startOffset })
    this.#version++
  }

  /** Forgets what began at or above `endOffset`. */
  truncateFromEnd(endOffset: Offset): void {
    const kept = this.#entries.filter(entry => entry.startOffset < endOffset)
    if (kept.length === this.#entries.length) return
    this.#entries = kept
    this.#version++
  }

  /** Forgets epochs that ended at or below `startOffset`; the one that spans it begins there from now on. */
  truncateFromStart(startOffset: Offset): void {
    const spanning = this.#entries.findLastIndex(entry => entry.startOffset <= startOffset)
    if (spanning < 0 || (spanning === 0 && this.#entries[0]!.startOffset === startOffset)) return
    this.#entries = this.#entries.slice(spanning)
    this.#entries[0] = { epoch: this.#entries[0]!.epoch, startOffset }
    this.#version++
  }

  /** Epoch of the record at `offset`, which is in the log. */
  epochAt(offset: Offset): LeaderEpoch {
    const entry = this.#entries.findLast(each => each.startOffset <= offset)
    assert(entry !== undefined, 'every record of a log has an epoch')
    return entry.epoch
  }

  /** End of the newest epoch at or below `epoch`, or `null` when the log knows none so old (KIP-279). */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } | null {
    const at = this.#entries.findLastIndex(entry => entry.epoch <= epoch)
    if (at < 0) return null
    return { epoch: this.#entries[at]!.epoch, endOffset: this.#entries[at + 1]?.startOffset ?? logEndOffset }
  }
}

/** Kafka's checkpoint text: version, count, then `epoch startOffset` a line. */
export function formatEpochs(entries: readonly EpochEntry[]): string {
  const lines = entries.map(entry => `${entry.epoch} ${entry.startOffset}\n`)
  return `0\n${entries.length}\n${lines.join('')}`
}

/** The entries, or `null` when the text is not a sound checkpoint: then they are rebuilt from the log. */
export function parseEpochs(text: string): EpochEntry[] | null {
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.shift() !== '0' || Number(lines.shift()) !== lines.length) return null
  const entries: EpochEntry[] = []
  for (const line of lines) {
    const match = /^(\d{1,10}) (\d{1,16})$/.exec(line)
    if (match === null) return null
    const entry = { epoch: toLeaderEpoch(Number(match[1])), startOffset: Number(match[2]) }
    const last = entries.at(-1)
    if (last !== undefined && (last.epoch >= entry.epoch || last.startOffset >= entry.startOffset)) return null
    entries.push(entry)
  }
  return entries
}
