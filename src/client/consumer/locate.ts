/** Turns start positions into offsets, and finds where to stop, with one lookup per leader for all partitions. */
import { ApiError } from '../../protocol/errors.ts'
import { type Cluster, isRetriable } from '../cluster.ts'
import { type FoundOffset, findOffsets, type OffsetQuery, type OffsetSpec } from '../offsets.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { StartPosition } from './types.ts'

export interface LocateOptions {
  readonly isolationLevel: 0 | 1
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

interface Lookup {
  readonly partition: AssignedPartition
  readonly generation: number
  readonly queries: readonly OffsetQuery[]
}

/**
 * Locates every partition that is not. One that jumps meanwhile is left for the next call; one that cannot be located
 * now is left too if that may pass, and fails for good otherwise.
 */
export async function locate(
  cluster: Cluster,
  partitions: readonly AssignedPartition[],
  options: LocateOptions,
): Promise<void> {
  const lookups = partitions.map(partition => ({
    partition,
    generation: partition.generation,
    queries: queriesOf(partition),
  }))
  const answers = await findOffsets(
    cluster,
    lookups.flatMap(lookup => lookup.queries),
    options,
  )
  let at = 0
  for (const lookup of lookups) {
    const own = answers.slice(at, at + lookup.queries.length)
    at += lookup.queries.length
    if (lookup.partition.generation === lookup.generation) settle(lookup, own)
  }
}

/** The start and the end when both are needed, else what the position names. */
function queriesOf({ topic, partition, start, stopOffset }: AssignedPartition): OffsetQuery[] {
  const specs = new Set<OffsetSpec>()
  if (start !== null && typeof start !== 'number') specs.add(start)
  // A position relative to the end is not below the start; a time without records is the end.
  if (typeof start === 'number') specs.add('start')
  if (typeof start === 'number' || typeof start === 'object' || stopOffset === -1) specs.add('end')
  return [...specs].map(at => ({ topic, partition, at }))
}

function settle({ partition, queries }: Lookup, answers: ReadonlyArray<FoundOffset | ApiError>): void {
  const error = answers.find(answer => answer instanceof ApiError)
  if (error instanceof ApiError) {
    // An unknown topic was asked for long enough.
    if (!isRetriable(error) || error.code === 'UNKNOWN_TOPIC_OR_PARTITION') partition.failure = error
    return
  }
  const found = (at: OffsetSpec): number => (answers[queries.findIndex(query => query.at === at)] as FoundOffset).offset
  if (partition.stopOffset === -1) partition.stopAt(found('end'))
  if (partition.start !== null) partition.locate(offsetOf(partition.start, found))
  // A leader that was replaced and does not know it has an end of its own: only a fetch, before which it makes sure, tells.
  if (partition.stopOffset !== null && partition.position > partition.stopOffset) partition.isCompared = false
}

function offsetOf(start: StartPosition, found: (at: OffsetSpec) => number): number {
  if (typeof start === 'number') return Math.max(found('start'), found('end') + start)
  const offset = found(start)
  return offset < 0 ? found('end') : offset
}
