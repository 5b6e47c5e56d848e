/** Asks several for the same thing, one after the other, without waiting for those that take long to answer. */
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'

/**
 * Starts the first attempt, and the next one whenever one fails or `staggerMs` pass; the first answer counts, and what
 * comes later is ignored. Rejects with an `AggregateError`, its errors in the order of the attempts, when all have failed;
 * at once with an `AbortError`, which says nothing about whoever was asked.
 */
export function hedge<T>(clock: Clock, staggerMs: number, attempts: ReadonlyArray<() => Promise<T>>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const errors: unknown[] = []
    let started = 0
    let failed = 0
    let isSettled = false
    let timer: Timer | null = null
    const settle = (act: () => void): void => {
      isSettled = true
      timer?.cancel()
      act()
    }
    const onFailed = (at: number, error: unknown): void => {
      errors[at] = error
      failed++
      if (isSettled) return
      if (error instanceof AbortError) settle(() => reject(error))
      else if (failed === attempts.length) settle(() => reject(new AggregateError(errors)))
      else startNext()
    }
    const startNext = (): void => {
      timer?.cancel()
      if (started === attempts.length) return
      const at = started++
      timer = clock.setTimer(staggerMs, startNext)
      attempts[at]!().then(
        value => {
          if (!isSettled) settle(() => resolve(value))
        },
        (error: unknown) => onFailed(at, error),
      )
    }
    startNext()
  })
}
