/**
 * Between the core and the state machine. The core hands out what is committed and durable; a received snapshot is then
 * restored in slices, and everything that must come after it waits here meanwhile, while the core goes on: a member that
 * restores a large state still answers its leader.
 */
import type { Effect } from '../raft/input-effect.ts'
import type { Entry, Snapshot } from '../raft/types.ts'
import type { Clock } from '../util/clock.ts'
import type { LogIndex, Term } from '../util/numbers.ts'
import { Slices } from './slices.ts'
import type { StateMachine } from './types.ts'

/** What must be seen in the order of the log. */
export type AppliedEffect = Extract<Effect, { kind: 'apply' | 'restore' | 'leadership' | 'readReady' }>

export interface ApplierListener {
  onApplied(entries: readonly Entry[]): void
  onRestored(snapshot: Snapshot): void
  onLeadership(term: Term | null): void
  onReadReady(id: number, index: LogIndex): void
  onFailure(error: Error): void
}

export class Applier {
  readonly #stateMachine: StateMachine
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #listener: ApplierListener
  #appliedIndex: LogIndex
  #restoring: Slices<void> | null = null
  /** In order; not empty only while a snapshot is being restored. */
  #waiting: AppliedEffect[] = []

  constructor(
    stateMachine: StateMachine,
    clock: Clock,
    sliceMs: number,
    appliedIndex: LogIndex,
    listener: ApplierListener,
  ) {
    this.#stateMachine = stateMachine
    this.#clock = clock
    this.#sliceMs = sliceMs
    this.#appliedIndex = appliedIndex
    this.#listener = listener
  }

  /** Inclusive: the state machine's own, which the core's may be ahead of. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex
  }

  take(effect: AppliedEffect): void {
    if (effect.kind === 'leadership' && effect.term === null) {
      // The end of a leadership waits for nothing; one that was not announced yet never will be.
      this.#waiting = this.#waiting.filter(waiting => waiting.kind !== 'leadership')
      this.#listener.onLeadership(null)
    } else if (this.#restoring !== null) this.#waiting.push(effect)
    else this.#perform(effect)
  }

  stop(): void {
    this.#restoring?.cancel()
    this.#restoring = null
    this.#waiting = []
  }

  #perform(effect: AppliedEffect): void {
    switch (effect.kind) {
      case 'apply':
        this.#apply(effect.entries)
        return
      case 'restore':
        this.#restore(effect.snapshot)
        return
      case 'leadership':
        this.#listener.onLeadership(effect.term)
        return
      case 'readReady':
        this.#listener.onReadReady(effect.id, effect.index)
        return
    }
  }

  #apply(entries: readonly Entry[]): void {
    const data = entries.filter(entry => entry.kind === 'data')
    if (data.length > 0) this.#stateMachine.apply(data)
    this.#appliedIndex = entries.at(-1)!.index
    this.#listener.onApplied(entries)
  }

  #restore(snapshot: Snapshot): void {
    const { data, meta } = snapshot
    let isOver = false
    const restoring = new Slices(this.#stateMachine.restore(data, meta.index), this.#clock, this.#sliceMs, {
      onStep() {},
      onEnd: () => {
        isOver = true
        this.#restoring = null
        this.#appliedIndex = meta.index
        this.#listener.onRestored(snapshot)
        while (this.#restoring === null && this.#waiting.length > 0) this.#perform(this.#waiting.shift()!)
      },
      onError: error => this.#listener.onFailure(error),
    })
    if (!isOver) this.#restoring = restoring
  }
}
