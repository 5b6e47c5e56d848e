/** The machine's clock: monotonic milliseconds from `performance`, wall clock from `Date`, turns from `setImmediate`. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../util/clock.ts'

/** Longer delays overflow Node's 32-bit timer and would fire at once. */
const delayMsMax = 0x7fff_ffff

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  setTimer: (delayMs, fn) => {
    const timer = setTimeout(fn, Math.min(delayMs, delayMsMax))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  // The check phase follows the poll phase: what the sockets had for us in this turn has been handled by then.
  defer: fn => {
    setImmediate(fn)
  },
}
