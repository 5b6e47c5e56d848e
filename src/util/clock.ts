/**
 * Time, as a port. Elections, sessions, timeouts and lags use `nowMs` (monotonic, never set back); only record
 * timestamps and retention look at `wallClockMs`. The simulator supplies a virtual one.
 */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start, with a fraction. */
  nowMs(): number
  /** Milliseconds since 1970 as the machine believes them; may jump. Integer. */
  wallClockMs(): number
  /** Calls `fn` once after at least `delayMs`. Never keeps the process alive by itself. */
  setTimer(delayMs: number, fn: () => void): Timer
  /** Calls `fn` after the inputs that are already waiting in this turn of the event loop: the point of group commit. */
  defer(fn: () => void): void
}

export interface Timer {
  /** Idempotent; after it the callback is never called. */
  cancel(): void
}
