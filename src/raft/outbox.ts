/**
 * Turns the core's effects into what a disk wants: one write at a time, each as large as what has gathered (group
 * commit), and messages that wait for theirs. Pure, so that the driver and the simulator order things by the same code.
 *
 *     effects ──add──► queued ──next──► in flight ──done──► messages that waited for it
 */
import { assert } from '../util/assert.ts'
import type { LogIndex } from '../util/numbers.ts'
import type { Effect } from './input-effect.ts'
import type { PersistBatch } from './storage.ts'
import type { HardState, Snapshot } from './types.ts'

export type SendEffect = Extract<Effect, { kind: 'send' }>

/** What one storage call writes; it completes every write of the core up to and including `write`. */
export type Write =
  | { readonly kind: 'batch'; readonly write: number; readonly batch: PersistBatch }
  | { readonly kind: 'snapshot'; readonly write: number; readonly snapshot: Snapshot; readonly hardState: HardState }

export class Outbox {
  readonly #queued: Write[] = []
  #held: { write: number; effect: SendEffect }[] = []
  #inFlight: Write | null = null
  #lastWrite = 0

  /** Takes `persist`, `persistSnapshot` and `send` effects. Returns the message if it may leave at once. */
  add(effect: Effect): SendEffect | null {
    switch (effect.kind) {
      case 'persist':
        this.#addBatch(effect)
        return null
      case 'persistSnapshot':
        this.#lastWrite = effect.write
        this.#queued.push({
          kind: 'snapshot',
          write: effect.write,
          snapshot: effect.snapshot,
          hardState: effect.hardState,
        })
        return null
      case 'send':
        if (effect.after === 'now' || this.isIdle) return effect
        this.#held.push({ write: this.#lastWrite, effect })
        return null
      default:
        return null
    }
  }

  /** Nothing queued and nothing under way. */
  get isIdle(): boolean {
    return this.#queued.length === 0 && this.#inFlight === null
  }

  /** The next write to start; `null` while one is under way or none waits. */
  next(): Write | null {
    if (this.#inFlight !== null) return null
    this.#inFlight = this.#queued.shift() ?? null
    return this.#inFlight
  }

  /** The write under way is durable: its number for `persisted`, and the messages that waited for it, in order. */
  done(): { write: number; messages: readonly SendEffect[] } {
    assert(this.#inFlight !== null, 'a write is under way')
    const { write } = this.#inFlight
    this.#inFlight = null
    const released = this.#held.findIndex(held => held.write > write)
    const messages = this.#held.splice(0, released === -1 ? this.#held.length : released)
    return { write, messages: messages.map(held => held.effect) }
  }

  #addBatch(effect: Extract<Effect, { kind: 'persist' }>): void {
    const { write, hardState, truncateFrom, entries } = effect
    this.#lastWrite = write
    const last = this.#queued.at(-1)
    const batch = { hardState, truncateFrom, entries }
    if (last?.kind !== 'batch') this.#queued.push({ kind: 'batch', write, batch })
    else this.#queued[this.#queued.length - 1] = { kind: 'batch', write, batch: merge(last.batch, batch) }
  }
}

/** One batch that leaves the disk as the two would, one after the other. */
export function merge(first: PersistBatch, second: PersistBatch): PersistBatch {
  const hardState = second.hardState ?? first.hardState
  const { truncateFrom } = second
  if (truncateFrom === null) {
    return { hardState, truncateFrom: first.truncateFrom, entries: first.entries.concat(second.entries) }
  }
  const kept = first.entries.filter(entry => entry.index < truncateFrom)
  return {
    hardState,
    truncateFrom: earlier(first.truncateFrom, reachesDisk(first, truncateFrom) ? truncateFrom : null),
    entries: kept.concat(second.entries),
  }
}

/** False when all that the truncation removes was among the first batch's own entries. */
function reachesDisk(first: PersistBatch, truncateFrom: LogIndex): boolean {
  const firstIndex = first.entries[0]?.index
  return firstIndex === undefined || truncateFrom < firstIndex
}

function earlier(a: LogIndex | null, b: LogIndex | null): LogIndex | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}
