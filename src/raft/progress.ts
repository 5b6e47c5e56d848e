/**
 * What a leader knows of one other server, and how freely it may send to it.
 *
 *     probe ──reply──► replicate ──refusal──► probe
 *       │  the entries it needs are gone         │
 *       └────────────► snapshot ◄────────────────┘        snapshot ──delivered, failed──► probe
 *
 * Only a reply of this term moves `matchIndex`, and only upwards.
 */
import { assertAtMost, assertLess } from '../util/assert.ts'
import { type LogIndex, toLogIndex } from '../util/numbers.ts'
import type { LogView } from './log-view.ts'
import type { RaftOptions, Rules } from './options.ts'
import { Window } from './window.ts'

export type Flow =
  /** One append at a time until the place where the logs agree is known. */
  | { readonly kind: 'probe'; isWaiting: boolean }
  /** Appends leave before the ones before them are answered, as many as the window holds. */
  | { readonly kind: 'replicate' }
  /** A snapshot is on its way; nothing else is sent but heartbeats. */
  | { readonly kind: 'snapshot' }

export class Progress {
  #matchIndex: LogIndex = toLogIndex(0)
  #nextIndex: LogIndex
  flow: Flow = { kind: 'probe', isWaiting: false }
  /** What is under way; empty but while replicating. */
  readonly window: Window
  /** The leader's tick when it last heard from it in this term. */
  lastHeardTick: number
  /** The leader's tick when it last had everything; -1 for not yet. */
  lastCaughtUpTick = -1
  /** Highest round it has answered: it still followed this leader after that round began. */
  ackedRound = 0
  /** The commit index it was last told. */
  sentCommitIndex: LogIndex = toLogIndex(0)

  constructor(nextIndex: LogIndex, tick: number, inFlightCountMax: number) {
    this.#nextIndex = nextIndex
    this.window = new Window(inFlightCountMax)
    this.lastHeardTick = tick
  }

  /** Inclusive. On its disk and equal to the leader's log. */
  get matchIndex(): LogIndex {
    return this.#matchIndex
  }

  /** What to send next; `matchIndex < nextIndex` always. */
  get nextIndex(): LogIndex {
    return this.#nextIndex
  }

  /** May an append with entries leave now? */
  maySend(log: LogView, options: RaftOptions): boolean {
    if (this.flow.kind === 'snapshot') return false
    if (this.flow.kind === 'probe') return !this.flow.isWaiting
    if (this.window.count === 0) return true
    const bytes = log.bytesBetween(this.#matchIndex, toLogIndex(this.#nextIndex - 1))
    return this.window.hasRoom && bytes < options.inFlightBytesMax
  }

  /** An append with entries up to `lastIndex` left. */
  sent(lastIndex: LogIndex, tick: number): void {
    if (this.flow.kind === 'probe') this.flow.isWaiting = true
    if (this.flow.kind !== 'replicate') return
    assertAtMost(this.#nextIndex, lastIndex, 'an append moves nextIndex forward')
    this.window.sent(lastIndex, tick)
    this.#nextIndex = toLogIndex(lastIndex + 1)
  }

  /** It has everything up to `index`. A stale or repeated answer changes nothing. */
  matched(index: LogIndex, log: LogView, tick: number, rules: Rules): void {
    assertAtMost(index, log.lastIndex, 'matchIndex <= lastIndex')
    if (index > this.#matchIndex || !rules.matchIndexOnlyRises) this.#matchIndex = index
    if (this.#nextIndex <= this.#matchIndex) this.#nextIndex = toLogIndex(this.#matchIndex + 1)
    if (this.flow.kind === 'replicate') {
      this.window.answered(this.#matchIndex, tick)
      return
    }
    // A probe's answer, or a snapshot (this or an earlier one) that brought it to where the log still reaches.
    if (this.flow.kind === 'probe' && index < this.#nextIndex - 1) return
    if (this.flow.kind === 'snapshot' && this.#matchIndex < log.baseIndex) return
    this.flow = { kind: 'replicate' }
    this.#nextIndex = toLogIndex(this.#matchIndex + 1)
  }

  /** It could not place an append after `prevIndex`; `nextIndex` is the better guess. Returns false for a stale answer. */
  refused(prevIndex: LogIndex, nextIndex: LogIndex): boolean {
    if (this.flow.kind === 'snapshot' || prevIndex <= this.#matchIndex) return false
    // While probing exactly one append is out, so any other index answers an earlier one.
    if (this.flow.kind === 'probe' && prevIndex !== this.#nextIndex - 1) return false
    this.#nextIndex = toLogIndex(Math.max(Math.min(nextIndex, prevIndex), this.#matchIndex + 1))
    this.#probe(false)
    assertLess(this.#matchIndex, this.#nextIndex, 'matchIndex < nextIndex')
    return true
  }

  snapshotStarted(): void {
    this.window.clear()
    this.flow = { kind: 'snapshot' }
  }

  /** Probe behind the snapshot, or where it was; either way only after the next sign of life, not in a tight loop. */
  snapshotEnded(snapshotIndex: LogIndex | null): void {
    if (this.flow.kind !== 'snapshot') return
    this.#nextIndex = toLogIndex(Math.max(snapshotIndex ?? 0, this.#matchIndex) + 1)
    this.#probe(true)
  }

  #probe(isWaiting: boolean): void {
    this.window.clear()
    this.flow = { kind: 'probe', isWaiting }
  }
}
