/** What a link does to the bytes it carries. */

/**
 * - `pass`: they arrive.
 * - `hold`: nothing is read any more and what was read stays here, as on a cut wire: the sender's buffers fill, and what it
 *   sent arrives, late, when the link passes again.
 * - `drop`: a black hole; everything is taken and vanishes. A connection that lost bytes this way is reset when the link
 *   passes again, for nobody could make sense of the rest.
 */
export type Flow = 'pass' | 'hold' | 'drop'

export interface Conditions {
  /** From who dials to who is dialled. */
  readonly there: Flow
  /** What the other end answers. */
  readonly back: Flow
  /**
   * Of new connections. `silent`: accepted, and nobody is behind them until this is `pass` (half-open, as a host that
   * died); `refuse`: reset at once. While either direction does not pass, new ones are silent anyway.
   */
  readonly arrivals: 'pass' | 'silent' | 'refuse'
  /** Each way. */
  readonly delayMs: number
  /** Up to this much more, drawn for each piece; pieces do not overtake each other, as in TCP. */
  readonly jitterMs: number
  /** Each way, for each connection. */
  readonly bytesPerSecond: number
  /** Pieces of 1 to this many bytes, each in a write of its own. */
  readonly sliceBytesMax: number
}

export const clear: Conditions = {
  there: 'pass',
  back: 'pass',
  arrivals: 'pass',
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  sliceBytesMax: Number.POSITIVE_INFINITY,
}
