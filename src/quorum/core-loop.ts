/**
 * Steps the core, one input at a time: what comes while the effects of another are being performed waits, so that all
 * effects are performed in the order of the steps. Only what changes nothing but memory may come in between, from a
 * listener that proposes.
 */
import type { Effect, Input } from '../raft/input-effect.ts'
import type { Raft } from '../raft/state.ts'
import { step } from '../raft/step.ts'
import type { CoreObserver } from './options.ts'
import type { Ticker } from './ticker.ts'

export type Answer = Extract<Effect, { kind: 'accepted' | 'refused' }>

export interface LoopListener {
  perform(effect: Exclude<Effect, Answer>): void
  /** All effects of an input are performed, and of those that came meanwhile. */
  onPerformed(): void
  /** The same, when nothing is under way any more: may lead to further inputs. */
  onIdle(): void
  onFailure(error: Error): void
}

export class CoreLoop {
  readonly raft: Raft
  readonly #ticker: Ticker
  readonly #observer: CoreObserver | null
  readonly #listener: LoopListener
  #isDriving = false
  #isStopped = false
  #waiting: Input[] = []

  constructor(raft: Raft, ticker: Ticker, observer: CoreObserver | null, listener: LoopListener) {
    this.raft = raft
    this.#ticker = ticker
    this.#observer = observer
    this.#listener = listener
  }

  /** Takes no input any more, and performs nothing of what it took. */
  stop(): void {
    this.#isStopped = true
    this.#waiting = []
  }

  /** What the core said to `input`; `null` when it did not answer, not yet, or has stopped. */
  drive(input: Input): Answer | null {
    if (this.#isStopped) return null
    if (this.#isDriving) {
      if (input.kind === 'proposal' || input.kind === 'readIndex') return this.#step(input)
      this.#waiting.push(input)
      return null
    }
    // A blocked event loop wakes up with messages and questions before its timers: first it counts the silence.
    if (input.kind !== 'tick') this.#ticker.catchUp()
    this.#isDriving = true
    let answer: Answer | null = null
    try {
      answer = this.#step(input)
      while (this.#waiting.length > 0) this.#step(this.#waiting.shift()!)
      if (!this.#isStopped) this.#listener.onPerformed()
    } catch (error) {
      this.#listener.onFailure(error as Error)
    }
    this.#isDriving = false
    // Further inputs that this leads to have answers of their own.
    if (!this.#isStopped) this.#listener.onIdle()
    return answer
  }

  #step(input: Input): Answer | null {
    if (this.#isStopped) return null
    let answer: Answer | null = null
    const effects = step(this.raft, input)
    this.#observer?.stepped(this.raft, input, effects)
    for (let i = 0; i < effects.length; i++) {
      // A listener may have led to a failure that ended everything.
      if (this.#isStopped) return answer
      const effect = effects[i]!
      if (effect.kind === 'accepted' || effect.kind === 'refused') answer = effect
      else this.#listener.perform(effect)
    }
    return answer
  }
}
