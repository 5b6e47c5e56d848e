/**
 * One look at the partitions of a fetch: reads what is below their high watermarks within the limits of the request and
 * of the node's fetch memory. Which partition is read first is drawn anew each time: with a limit that the first one
 * uses up alone, a client that always names them in the same order would otherwise never see the last.
 */

import { batchesEndOffset } from '../log/batch-fields.ts'
import type { PartitionLog } from '../log/types.ts'
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { fetch } from '../protocol/apis/index.ts'
import { ApiError, errorCode, type Failure, isFailure, noError } from '../protocol/errors.ts'
import type { RequestContext } from '../transport/handler.ts'
import { joinBytes, sizeOfParts } from '../util/bytes.ts'
import type { Offset } from '../util/numbers.ts'
import { partitionFailure } from './failures.ts'
import type { WaitedPartition } from './fetch-wait.ts'
import type { Partition } from './partition.ts'
import { ReaderPlaces } from './reader-places.ts'
import type { BrokerRuntime } from './runtime.ts'
import { unpackToPlain } from './unpack-records.ts'

export type FetchRequest = RequestOf<typeof fetch>
export type FetchResponse = ResponseOf<typeof fetch>
type PartitionRequest = FetchRequest['partitions'][number]
type PartitionResponse = FetchResponse['partitions'][number]

export interface FetchLook {
  readonly response: FetchResponse
  /** Bytes of record batches found. */
  readonly bytes: number
  /** Bytes of records in the response: as they are stored, or unpacked. */
  readonly heldBytes: number
  readonly failures: number
  /** Partitions whose reader is sent elsewhere, to a nearer replica or back to what the log has: it is not kept waiting. */
  readonly redirects: number
  /** Those that may be waited for; none when something failed. */
  readonly waitedFor: readonly WaitedPartition[]
  /** Where a reader that has all of this will go on. */
  readonly goingOn: readonly GoingOn[]
}

interface InAnswer {
  readonly records: PartitionResponse['records']
  /** What they hold in memory if they were unpacked. */
  readonly bytes: number
}

export interface GoingOn {
  readonly log: PartitionLog
  readonly fromOffset: Offset
  readonly maxBytes: number
}

const noRecords = new Uint8Array(0)

export async function lookAtPartitions(
  broker: BrokerRuntime,
  request: FetchRequest,
  context: RequestContext,
  bytesMax: number,
): Promise<FetchLook> {
  const count = request.partitions.length
  const partitions = new Array<PartitionResponse>(count)
  const waitedFor: WaitedPartition[] = []
  const goingOn: GoingOn[] = []
  let bytes = 0
  let heldBytes = 0
  let failures = 0
  let redirects = 0
  const places = new ReaderPlaces(broker, context, request.rack)
  const first = count > 1 ? broker.random.nextInt(count) : 0
  for (let turn = 0; turn < count; turn++) {
    const place = (first + turn) % count
    const item = request.partitions[place]!
    const found = places.of(item)
    const whereabouts = found instanceof Promise ? await found : found
    if (whereabouts.kind === 'refused') {
      partitions[place] = failed(item, whereabouts.failure)
      failures += 1
      continue
    }
    const { partition } = whereabouts
    if (whereabouts.kind === 'elsewhere') {
      partitions[place] = { ...answered(item, partition, noRecords), ...whereabouts.where }
      redirects += 1
      continue
    }
    const { role, highWatermark, committedBytes } = partition
    waitedFor.push({ partition, role, highWatermark, committedBytes })
    const limit = { maxBytes: Math.min(item.maxBytes, bytesMax - heldBytes), minOneBatch: bytes === 0 }
    const batches = await readBatches(broker, partition, item, limit)
    if (isFailure(batches)) {
      partitions[place] = failed(item, batches)
      failures += 1
      continue
    }
    const storedBytes = sizeOfParts(batches)
    bytes += storedBytes
    if (batches.length > 0) {
      const fromOffset = batchesEndOffset(batches.at(-1)!, item.fetchOffset)
      goingOn.push({ log: partition.log, fromOffset, maxBytes: limit.maxBytes })
    }
    const inAnswer = await inFormat(broker, request, partition, item, batches, limit.maxBytes)
    if (isFailure(inAnswer)) {
      partitions[place] = failed(item, inAnswer)
      failures += 1
      continue
    }
    partitions[place] = answered(item, partition, inAnswer.records)
    heldBytes += Math.max(storedBytes, inAnswer.bytes)
  }
  return { response: { partitions }, bytes, heldBytes, failures, redirects, waitedFor, goingOn }
}

async function readBatches(
  broker: BrokerRuntime,
  partition: Partition,
  item: PartitionRequest,
  limit: { maxBytes: number; minOneBatch: boolean },
): Promise<readonly Uint8Array[] | Failure> {
  const endOffset = broker.rules.readsStopAtHighWatermark ? partition.lastStableOffset : partition.log.logEndOffset
  if (item.fetchOffset >= endOffset || (limit.maxBytes <= 0 && !limit.minOneBatch)) return []
  try {
    const batches = partition.log.read({ fromOffset: item.fetchOffset, endOffset, ...limit })
    return batches instanceof Promise ? await batches : batches
  } catch (error) {
    return readFailure(broker, partition, item, error)
  }
}

async function inFormat(
  broker: BrokerRuntime,
  request: FetchRequest,
  partition: Partition,
  item: PartitionRequest,
  batches: readonly Uint8Array[],
  bytesMax: number,
): Promise<InAnswer | Failure> {
  // A read from the file is one piece already; only batches from the tail cache are copied together.
  if (request.format === 'batches') return { records: batches.length === 0 ? noRecords : joinBytes(batches), bytes: 0 }
  try {
    return await unpackToPlain(batches, broker.codecs, { fromOffset: item.fetchOffset, bytesMax })
  } catch (error) {
    return readFailure(broker, partition, item, error)
  }
}

function readFailure(broker: BrokerRuntime, partition: Partition, item: PartitionRequest, error: unknown): Failure {
  const failure = partitionFailure(error)
  if (!(error instanceof ApiError)) {
    broker.logger.error({ ...partition.id, fetchOffset: item.fetchOffset, error }, 'records could not be read')
  }
  return failure
}

function answered(
  item: PartitionRequest,
  partition: Partition,
  records: PartitionResponse['records'],
): PartitionResponse {
  return {
    topic: item.topic,
    partition: item.partition,
    errorCode: noError,
    errorMessage: null,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.log.logStartOffset,
    records,
    preferredReadReplica: -1,
    divergingEpoch: null,
  }
}

function failed(item: PartitionRequest, { error, message }: Failure): PartitionResponse {
  return {
    topic: item.topic,
    partition: item.partition,
    errorCode: errorCode(error),
    errorMessage: message,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: noRecords,
    preferredReadReplica: -1,
    divergingEpoch: null,
  }
}
