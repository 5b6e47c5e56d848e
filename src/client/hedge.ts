/** Asks several for the same thing, one after the other, without waiting for those that take long to answer. */
import type { Clock, Timer } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'

/**
 * Starts the first attempt, and the next one whenever one fails or `staggerMs` pass; the first answer counts, and what
 * comes later is ignored. When all have been started, those that failed are tried again, one every `staggerMs`, for as long
 * as another keeps it waiting: what failed in a moment may be well again long before what hangs gives up. Rejects with an
 * `AggregateError`, the last error of each attempt in their order, when none is under way any more; at once with an
 * `AbortError`, which says nothing about whoever was asked.
 */
export function hedge<T>(clock: Clock, staggerMs: number, attempts: ReadonlyArray<() => Promise<T>>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const errors: unknown[] = []
    const failed: number[] = []
    let fresh = 0
    let underWay = 0
    let isSettled = false
    let timer: Timer | null = null
    const settle = (act: () => void): void => {
      isSettled = true
      timer?.cancel()
      act()
    }
    const onFailed = (at: number, error: unknown): void => {
      errors[at] = error
      failed.push(at)
      underWay--
      if (isSettled) return
      if (error instanceof AbortError) settle(() => reject(error))
      else if (fresh < attempts.length) start(fresh++)
      else if (underWay === 0) settle(() => reject(new AggregateError(errors)))
    }
    const onLate = (): void => {
      const next = fresh < attempts.length ? fresh++ : failed.shift()
      if (next !== undefined) start(next)
      else timer = clock.setTimer(staggerMs, onLate)
    }
    const start = (at: number): void => {
      timer?.cancel()
      timer = clock.setTimer(staggerMs, onLate)
      underWay++
      attempts[at]!().then(
        value => {
          if (!isSettled) settle(() => resolve(value))
        },
        (error: unknown) => onFailed(at, error),
      )
    }
    start(fresh++)
  })
}
