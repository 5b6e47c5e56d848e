/**
 * What the broker counts, in plain numbers: hot paths add, `/metrics` reads. Cumulative unless a name says otherwise.
 */
export class BrokerStats {
  /** Batches, records and bytes accepted by produce requests. */
  batchesIn = 0
  recordsIn = 0
  bytesIn = 0
  /** Partitions of produce requests that were refused or failed. */
  produceFailures = 0
  /** Record bytes handed to fetch answers. */
  bytesOut = 0
  /** Partitions of fetch requests that were answered with an error. */
  fetchFailures = 0
  /** Fetches that had to wait for records. */
  fetchesDelayed = 0
  /** Produces and fetches whose time ran out: for a produce a failure, for a fetch an answer with what there is. */
  producesExpired = 0
  fetchesExpired = 0
  /** Changes of the in-sync replicas of partitions while they were led here. */
  isrShrinks = 0
  isrExpands = 0
  /** AppendEntries sent, and bytes of batches in them; bytes of batches that leaders elsewhere sent here. */
  appendRequests = 0
  appendBytesOut = 0
  appendBytesIn = 0
  segmentsDeleted = 0
  bytesDeleted = 0
  /** From the arrival of a produce request to its answer. */
  readonly produceMs = new Histogram(latencyBucketsMs)
  /** From the arrival of a fetch to its answer, waiting included. */
  readonly fetchMs = new Histogram(latencyBucketsMs)
}

/** Upper bounds, inclusive, in milliseconds. */
export const latencyBucketsMs = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000]

/** Counts per bucket; the last one has no upper bound. */
export class Histogram {
  readonly upperBounds: readonly number[]
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(upperBounds: readonly number[]) {
    this.upperBounds = upperBounds
    this.counts = new Float64Array(upperBounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.upperBounds.length && value > this.upperBounds[bucket]!) bucket += 1
    this.counts[bucket]! += 1
    this.sum += value
    this.count += 1
  }
}
