/** One Fetch request and its answer. */
import type { ResponseOf } from '../../protocol/api.ts'
import { fetch } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { Connection } from '../connection.ts'
import type { AssignedPartition, PartitionFetch } from './assigned-partition.ts'
import type { ConsumerSettings } from './types.ts'

export interface FetchItem {
  readonly partition: AssignedPartition
  readonly fetch: PartitionFetch
}

export type FetchAnswer = ResponseOf<typeof fetch>['partitions'][number]

/** The answers in the order of `items`. `rack`: of the reader, if it may be sent elsewhere. Rejects when the request fails as a whole. */
export async function sendFetch(
  connection: Connection,
  items: readonly FetchItem[],
  { maxBytes, rack }: { maxBytes: number; rack: string | null },
  settings: ConsumerSettings,
  signal: AbortSignal,
): Promise<FetchAnswer[]> {
  const { fetchMaxWaitMs, fetchMinBytes, isolationLevel, partitionMaxBytes, requestTimeoutMs } = settings
  const request = {
    maxWaitMs: fetchMaxWaitMs,
    minBytes: fetchMinBytes,
    maxBytes,
    isolationLevel,
    format: 'batches' as const,
    partitions: items.map(({ partition, fetch: { leaderEpoch } }) => ({
      topic: partition.topic,
      topicId: partition.topicId,
      partition: partition.partition,
      leaderEpoch,
      fetchOffset: partition.fetchOffset,
      maxBytes: Math.min(partitionMaxBytes, maxBytes),
      lastFetchedEpoch: partition.trail.epochBefore(partition.fetchOffset),
    })),
    rack,
  }
  // The application gets the records of the last answer in this turn, however many there are: the node reads meanwhile.
  const options = { timeoutMs: requestTimeoutMs + fetchMaxWaitMs, signal, isUrgent: true }
  const response = await connection.request(fetch, request, options)
  const answers = response.partitions
  const isComplete = answers.length === items.length && answers.every(answer => answer.records instanceof Uint8Array)
  if (!isComplete) throw new ApiError('UNKNOWN_SERVER_ERROR', 'the answer to Fetch is not about what was asked')
  return answers
}
