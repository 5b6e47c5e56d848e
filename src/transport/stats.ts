/**
 * Counters of the server side in plain numbers: hot paths add to fields and typed arrays, `/metrics` reads them when it
 * is scraped. Cumulative unless the comment says that it is a level.
 */
import type { ErrorName } from '../protocol/errors.ts'

/** Upper bounds of the latency buckets, inclusive, in milliseconds; one more bucket counts what is above all. */
export const latencyBucketsMs: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
]

export class ApiStats {
  readonly name: string
  requests = 0
  /** Requests answered with an error for the whole request. */
  errors = 0
  readonly errorsByName = new Map<ErrorName, number>()
  bytesIn = 0
  bytesOut = 0
  latencyMsSum = 0
  /** Not cumulative over buckets: each answer is counted in one. */
  readonly latencyCounts = new Float64Array(latencyBucketsMs.length + 1)

  constructor(name: string) {
    this.name = name
  }

  /** From the arrival of the request to the hand-over of its answer to the socket. */
  observeLatency(elapsedMs: number): void {
    this.latencyMsSum += elapsedMs
    let bucket = 0
    while (bucket < latencyBucketsMs.length && elapsedMs > latencyBucketsMs[bucket]!) bucket++
    this.latencyCounts[bucket]!++
  }

  countError(error: ErrorName): void {
    this.errors++
    this.errorsByName.set(error, (this.errorsByName.get(error) ?? 0) + 1)
  }
}

/** Why a connection was closed by this side. */
export type CloseCause = 'malformed' | 'too-large' | 'handshake' | 'slow-reader' | 'idle' | 'shutdown'

export class TransportStats {
  /** Level. */
  connections = 0
  connectionsAccepted = 0
  readonly closedBy: Record<CloseCause, number> = {
    malformed: 0,
    'too-large': 0,
    handshake: 0,
    'slow-reader': 0,
    idle: 0,
    shutdown: 0,
  }
  bytesIn = 0
  bytesOut = 0
  /** Level: requests handed to a handler that were not answered at once and are not answered yet. */
  inFlightRequests = 0
  /** Level: their bytes and `requestOverheadBytes` each. */
  inFlightBytes = 0
  /** Times reading from a connection was paused, by which limit. */
  readonly pauses = { connection: 0, node: 0, reader: 0 }
  /** By api key; every key of the handler table is there from the start. */
  readonly apis = new Map<number, ApiStats>()
  /** Requests for an api or version that is not served. */
  unsupportedRequests = 0
}
