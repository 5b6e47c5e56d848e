/** The machine's clock: monotonic milliseconds from `performance`, wall clock from `Date`, turns from `setImmediate`. */
import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../util/clock.ts'

/** Longer delays overflow Node's 32-bit timer and would fire at once. */
const delayMsMax = 0x7fff_ffff

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  setTimer: (delayMs, fn) => setTimer(delayMs, fn, timer => timer.unref()),
  // The check phase follows the poll phase: what the sockets had for us in this turn has been handled by then.
  defer: fn => {
    setImmediate(fn)
  },
}

/**
 * Node counts a delay from when the turn of the event loop began: a timer that was set late in a long turn fires early. By
 * this clock it must not: who compares times finds that nothing is due, and looks again much later.
 */
export function setTimer(delayMs: number, fn: () => void, onArmed: (timer: NodeJS.Timeout) => void): Timer {
  const fullMs = Math.min(delayMs, delayMsMax)
  const dueMs = performance.now() + fullMs
  let timer: NodeJS.Timeout
  const arm = (leftMs: number): void => {
    timer = setTimeout(() => {
      const earlyMs = dueMs - performance.now()
      if (earlyMs > 0) arm(earlyMs)
      else fn()
    }, leftMs)
    onArmed(timer)
  }
  arm(fullMs)
  return { cancel: () => clearTimeout(timer) }
}
