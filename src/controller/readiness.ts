/** Waits for a condition; looks when told that something has changed that it may rest on. */
import { AbortError } from '../util/errors.ts'

export class Readiness {
  readonly #isReady: () => boolean
  #settle: ((error: Error | null) => void) | null = null

  constructor(isReady: () => boolean) {
    this.#isReady = isReady
  }

  /** Resolves when the condition holds; rejects with `AbortError` when the signal ends the wait. Called once. */
  wait(signal: AbortSignal | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#settle?.(new AbortError('the cluster has no leader yet'))
      this.#settle = error => {
        this.#settle = null
        signal?.removeEventListener('abort', abort)
        if (error === null) resolve()
        else reject(error)
      }
      signal?.addEventListener('abort', abort)
      if (signal?.aborted === true) abort()
      else this.look()
    })
  }

  look(): void {
    if (this.#settle !== null && this.#isReady()) this.#settle(null)
  }
}
