/** Waiting on the injected clock: sleeps, exponential backoff, and promises that settle from outside. */
import type { Clock } from '../util/clock.ts'
import { AbortError } from '../util/errors.ts'
import type { Random } from '../util/random.ts'

/** A promise and its two ends. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(reasonOf(signal))
    const onAbort = (): void => {
      timer.cancel()
      reject(reasonOf(signal))
    }
    const timer = clock.setTimer(delayMs, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** Settles like `promise`, or rejects with the signal's reason when it aborts first; `promise` itself goes on. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    const settled = (): void => signal.removeEventListener('abort', onAbort)
    promise.then(
      value => {
        settled()
        resolve(value)
      },
      (error: unknown) => {
        settled()
        reject(error)
      },
    )
  })
}

/** What a wait cancelled by `signal` throws: the reason if it is an error, else an `AbortError`. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new AbortError('cancelled by its signal')
}

export interface Backoff {
  readonly backoffMs: number
  readonly backoffMsMax: number
}

/**
 * Delay before attempt number `failures + 1`: doubles from `backoffMs` up to `backoffMsMax`, and is spread (KIP-580).
 */
export function backoffDelayMs(backoff: Backoff, failures: number, random: Random): number {
  const exponent = Math.min(Math.max(failures - 1, 0), 30)
  return spread(Math.min(backoff.backoffMs * 2 ** exponent, backoff.backoffMsMax), random)
}

/**
 * Delay before asking a node again that only has to catch up with the rest of the cluster, which takes it moments: begins
 * at a fifth of `backoffMs`.
 */
export function catchUpDelayMs({ backoffMs, backoffMsMax }: Backoff, failures: number, random: Random): number {
  return backoffDelayMs({ backoffMs: backoffMs / 5, backoffMsMax }, failures, random)
}

/** A fifth more or less, so that many clients do not come back in step. */
export function spread(delayMs: number, random: Random): number {
  return delayMs * (0.8 + 0.4 * random.nextFloat())
}
