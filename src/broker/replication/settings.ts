import type { MetadataImage } from '../../metadata/image.ts'
import { MiB, secondMs } from '../../util/units.ts'

export interface ReplicationSettings {
  /** Bytes on their way to one follower; exceeded by at most one request. */
  readonly inFlightBytesMax: number
  /** A follower that does not answer an append for so long is connected to anew. */
  readonly requestTimeoutMs: number
  /** A follower that has not had everything for so long leaves the in-sync replicas. */
  readonly lagMsMax: number
  /** A sync of a log that has been under way for longer is a disk that stands still: the broker says that it is unfit. */
  readonly syncStallMsMax: number
  /** Bytes per second, over all followers, for replicas that are not in sync; below 0: no limit. */
  readonly catchUpBytesPerSecond: (image: MetadataImage) => number
}

export const defaultReplicationSettings: ReplicationSettings = {
  inFlightBytesMax: 16 * MiB,
  requestTimeoutMs: 30 * secondMs,
  lagMsMax: 10 * secondMs,
  syncStallMsMax: 5 * secondMs,
  catchUpBytesPerSecond: () => -1,
}
