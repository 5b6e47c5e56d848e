/**
 * Whether others should count on this broker: one whose disk takes nothing, or stands still, answers heartbeats all the
 * same, and would hold up what it leads or is in sync with.
 */
import type { LogHealth } from '../log/types.ts'
import { secondMs } from '../util/units.ts'
import type { Partition } from './partition.ts'

export interface FitnessFacts {
  readonly health: LogHealth
  readonly partitions: Iterable<Partition>
  /** A sync that has been under way for longer is a disk that stands still. */
  readonly syncStallMsMax: number
}

/** Why nobody should, in a sentence; `null` when they should. */
export function unfitReason({ health, partitions, syncStallMsMax }: FitnessFacts): string | null {
  if (health.isDiskFull) return 'The disk is full.'
  if (health.oldestSyncMs > syncStallMsMax) {
    return `The disk has not finished a sync for ${Math.round(health.oldestSyncMs / secondMs)} s.`
  }
  for (const { isGivenUp, id } of partitions) {
    if (isGivenUp) return `${id.topic}-${id.partition} waits for another leader epoch: a full disk took records back.`
  }
  return null
}
