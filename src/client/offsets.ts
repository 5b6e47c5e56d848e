/** Looks offsets up at the partitions' leaders: the start, the end, or the first record at or after a time. */

import { listOffsets } from '../protocol/apis/index.ts'
import { earliestTimestamp, latestTimestamp } from '../protocol/apis/list-offsets.ts'
import type { ApiError } from '../protocol/errors.ts'
import { askLeaders, type TopicPartition } from './by-leader.ts'
import type { Cluster } from './cluster.ts'

/** Where in a partition: its start, its end (exclusive), or the first record at or after a time. */
export type OffsetSpec = 'start' | 'end' | { readonly timestampMs: number }

export interface OffsetQuery extends TopicPartition {
  readonly at: OffsetSpec
}

export interface FoundOffset {
  /** -1 when no record is that young. */
  readonly offset: number
  /** Of that record; -1 for start and end. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** One answer per query, in order; an `ApiError` for a partition that could not be asked. */
export function findOffsets(
  cluster: Cluster,
  queries: readonly OffsetQuery[],
  options: { isolationLevel: 0 | 1; timeoutMs: number; signal: AbortSignal },
): Promise<Array<FoundOffset | ApiError>> {
  return askLeaders(cluster, queries, options, async (connection, routed) => {
    const partitions = routed.map(({ item, topicId, leader }) => ({
      topic: item.topic,
      topicId,
      partition: item.partition,
      leaderEpoch: leader.leaderEpoch,
      timestamp: timestampOf(item.at),
    }))
    const request = { isolationLevel: options.isolationLevel, partitions }
    const requestOptions = { timeoutMs: cluster.readTimeoutMs, signal: options.signal }
    const response = await connection.request(listOffsets, request, requestOptions)
    return response.partitions
  })
}

function timestampOf(at: OffsetSpec): number {
  if (at === 'start') return earliestTimestamp
  return at === 'end' ? latestTimestamp : at.timestampMs
}
