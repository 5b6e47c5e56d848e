/** A browser's clock and randomness, through what every current browser (and worker) has. No Node module. */
import type { Clock } from '../util/clock.ts'
import type { Random } from '../util/random.ts'

/** Longer delays overflow the 32-bit timer and would fire at once. */
const delayMsMax = 0x7fff_ffff

// A message to oneself is a turn of the event loop without the four milliseconds nested timers are held back by.
const turns: Array<() => void> = []
const channel = new MessageChannel()
channel.port1.onmessage = () => turns.shift()?.()

export const browserClock: Clock = {
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  setTimer: (delayMs, fn) => {
    const timer = setTimeout(fn, Math.min(delayMs, delayMsMax))
    return { cancel: () => clearTimeout(timer) }
  },
  defer: fn => {
    turns.push(fn)
    channel.port2.postMessage(null)
  },
}

export const browserRandom: Random = {
  nextFloat: () => {
    const [high, low] = crypto.getRandomValues(new Uint32Array(2))
    return ((high! >>> 5) * 0x400_0000 + (low! >>> 6)) / 2 ** 53
  },
  nextInt: boundExclusive => Math.floor(browserRandom.nextFloat() * boundExclusive),
  nextBytes: length => crypto.getRandomValues(new Uint8Array(length)),
}
