/**
 * The clock of a client in Node: the machine's, but its timers keep the process alive. Between two attempts to reach a
 * node there is no socket that would, and a process must not end under a `send` that somebody awaits.
 */
import type { Clock } from '../util/clock.ts'
import { setTimer, systemClock } from './clock.ts'

export const clientClock: Clock = { ...systemClock, setTimer: (delayMs, fn) => setTimer(delayMs, fn, () => {}) }
