/** Waits for a condition that this process is told of only in part: it looks when told to, and from time to time. */
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'

/** Who leads elsewhere is learnt from messages, of which no listener tells. */
const pollMs = 25

export class Readiness {
  readonly #isReady: () => boolean
  readonly #clock: Clock
  #timer: Timer | null = null
  #settle: ((error: Error | null) => void) | null = null

  constructor(clock: Clock, isReady: () => boolean) {
    this.#clock = clock
    this.#isReady = isReady
  }

  /** Resolves when the condition holds; rejects with `AbortError` when the signal ends the wait. Called once. */
  wait(signal: AbortSignal | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#settle?.(new AbortError('the cluster has no leader yet'))
      this.#settle = error => {
        this.#settle = null
        this.#timer?.cancel()
        signal?.removeEventListener('abort', abort)
        if (error === null) resolve()
        else reject(error)
      }
      signal?.addEventListener('abort', abort)
      if (signal?.aborted === true) abort()
      else this.look()
    })
  }

  /** Something has changed that the condition may rest on. */
  look(): void {
    this.#timer?.cancel()
    if (this.#settle === null) return
    if (this.#isReady()) this.#settle(null)
    else this.#timer = this.#clock.setTimer(pollMs, () => this.look())
  }
}
