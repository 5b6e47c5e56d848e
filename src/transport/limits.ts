/**
 * Every bound of a server connection, in one place. Configuration may set them; the defaults are for a node on one
 * machine with memory to spare. See FAULTS 4.3 for why each exists.
 */
import { KiB, MiB, minuteMs, secondMs } from '../util/units.ts'

export interface TransportLimits {
  /** Until `ApiVersions` was answered, a message may have this many bytes. */
  readonly handshakeMessageBytesMax: number
  /** …and there may be this many messages. */
  readonly handshakeMessagesMax: number
  /** …and it may take this long. */
  readonly handshakeTimeoutMs: number
  /** Bytes of requests of one connection not yet answered, with an overhead per request; reading pauses at it. */
  readonly connectionInFlightBytesMax: number
  /** The same over all connections of the node. */
  readonly nodeInFlightBytesMax: number
  /** A connection whose reader takes nothing for this long while answers wait is closed. */
  readonly slowReaderTimeoutMs: number
  /** A connection with more than this unsent is closed; above the largest single answer there is. */
  readonly bufferedBytesMax: number
  /** `connections.max.idle.ms`: a connection with no request for this long and none in flight is closed. */
  readonly idleTimeoutMs: number
}

export const defaultTransportLimits: TransportLimits = {
  handshakeMessageBytesMax: 16 * KiB,
  handshakeMessagesMax: 3,
  handshakeTimeoutMs: 10 * secondMs,
  connectionInFlightBytesMax: 32 * MiB,
  nodeInFlightBytesMax: 256 * MiB,
  slowReaderTimeoutMs: 30 * secondMs,
  bufferedBytesMax: 96 * MiB,
  idleTimeoutMs: 10 * minuteMs,
}

/**
 * Charged for every request in flight beside its bytes: what the closures, promises and parked operations of a small
 * request really cost. Without it a flood of 60-byte long polls would pass under any limit on bytes.
 */
export const requestOverheadBytes = 512
