/**
 * Which partition a message goes to. Keyed messages follow Kafka's default partitioner, so that a key lands where
 * Kafka would put it; messages without a key stick to one partition until a batch is full (KIP-480, KIP-794), which
 * the accumulator does, because only it knows when that is.
 */
import { partitionForKey } from '../util/murmur2.ts'

export { partitionForKey }

/**
 * Chooses a partition in [0, partitionCount), or returns `null` to leave it to the sticky choice. Called once per
 * message that names no partition itself, on the hot path.
 */
export type Partitioner = (
  message: { readonly key?: Uint8Array | string | null },
  topic: string,
  partitionCount: number,
) => number | null

/** Kafka's: `toPositive(murmur2(key)) % partitionCount` over all partitions, with or without a leader. */
export const defaultPartitioner: Partitioner = (message, _topic, partitionCount) => {
  const { key } = message
  return key === undefined || key === null ? null : partitionForKey(key, partitionCount)
}
