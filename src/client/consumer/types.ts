/** What a caller of the consumer sees: options, records, batches, counters. */
import type { RecordHeader } from '../../protocol/batch/types.ts'
import { limits } from '../../protocol/common.ts'
import { ConfigError } from '../../util/errors.ts'
import { KiB, MiB } from '../../util/units.ts'
import type { TopicPartition } from '../by-leader.ts'
import type { OffsetSpec } from '../offsets.ts'
import { type ClientOptions, type ClientSettings, integer, oneOf, resolveClient, type WithPorts } from '../options.ts'

/**
 * Where to begin: the start, the end, the first record at or after a time (the end if there is none), an offset, or,
 * below zero, that many records before the end.
 */
export type StartPosition = OffsetSpec | number

/**
 * What becomes of a position that is not in the log: an error, or a jump, which the log of the client mentions. Where the
 * log was cut below the position (`LogTruncatedError`), the jump is back to where it is still what was read.
 */
export type OutOfRangePolicy = 'start' | 'end' | 'error'

/** From `startOffset` on, up to the next of these, the records that were read are of leader epoch `epoch`. */
export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

export interface Assignment extends TopicPartition {
  /** By default what `from` says. */
  readonly offset?: StartPosition | undefined
  /**
   * Leader epochs of the records before `offset`, which is a plain one, as `progress` gave them. With them a log that was cut
   * since then, by an unclean election, is noticed (KIP-320).
   */
  readonly epochs?: readonly EpochStart[] | undefined
}

/** Turns the bytes of a key or a value into what the application wants. Throwing ends the iteration with that error. */
export type Deserializer<T> = (bytes: Uint8Array | null, record: TopicPartition & { readonly offset: number }) => T

export interface Deserializers<K, V> {
  readonly key?: Deserializer<K> | undefined
  readonly value?: Deserializer<V> | undefined
}

export interface ConsumerRecord<K = Uint8Array | null, V = Uint8Array | null> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: K
  readonly value: V
  readonly headers: readonly RecordHeader[]
}

/** A record in a batch, which says topic and partition once for all of them. */
export type BatchRecord<K = Uint8Array | null, V = Uint8Array | null> = Omit<
  ConsumerRecord<K, V>,
  'topic' | 'partition'
>

export interface ConsumerBatch<K = Uint8Array | null, V = Uint8Array | null> extends TopicPartition {
  /** Not empty, in the order of offsets. */
  readonly records: readonly BatchRecord<K, V>[]
  /** End of what could be read when this was fetched (exclusive). */
  readonly highWatermark: number
}

export interface PartitionProgress extends TopicPartition {
  /** Offset of the next record to be handed out; `null` while it is being looked up. */
  readonly position: number | null
  /** As the last fetch saw it; `null` before the first. */
  readonly highWatermark: number | null
  readonly logStartOffset: number | null
  /**
   * Leader epochs of the records before `position`, the newest 32 of them: keep the two together. The first one may begin
   * before its `startOffset`, where it is known from. Empty when none is known.
   */
  readonly epochs: readonly EpochStart[]
  readonly isPaused: boolean
}

export interface ConsumerOptions<K = Uint8Array | null, V = Uint8Array | null> extends ClientOptions {
  /** Reads all partitions of these topics, also those added later (from their start). */
  readonly topics?: readonly string[] | undefined
  /** Reads these partitions. Instead of `topics`. */
  readonly assignments?: readonly Assignment[] | undefined
  /** Where to begin. Default `end`: what is written from now on. */
  readonly from?: StartPosition | undefined
  /** `end`: the iteration is over when it has reached what was the end when it began. */
  readonly until?: 'end' | undefined
  readonly deserializers?: Deserializers<K, V> | undefined
  /** What to do when a position is not in the log any more. Default `error`. */
  readonly onOffsetOutOfRange?: OutOfRangePolicy | undefined
  /** A fetch is answered once this many bytes are there. Default 1. */
  readonly fetchMinBytes?: number | undefined
  /** … or after this long. Default 500. */
  readonly fetchMaxWaitMs?: number | undefined
  /** Largest answer to one fetch. Default 8 MiB. */
  readonly fetchMaxBytes?: number | undefined
  /** Largest part of it for one partition. Default 1 MiB. */
  readonly partitionMaxBytes?: number | undefined
  /** Bytes fetched ahead of the application; beyond, nothing is fetched. One batch larger than that still passes. Default 16 MiB. */
  readonly prefetchBytes?: number | undefined
  /**
   * Name of the rack, or zone, this consumer is in, as brokers name theirs in `broker.rack`: what can be is read from a
   * replica there instead of the leader (KIP-392). By default leaders are read.
   */
  readonly rack?: string | undefined
  /** `read_committed` leaves out what belongs to a transaction that is open. Default `read_uncommitted`. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed' | undefined
  /** Ends the iteration with the signal's reason, and closes the consumer. */
  readonly signal?: AbortSignal | undefined
  /** Consumer groups are not part of this version. */
  readonly groupId?: undefined
}

export interface ConsumerSettings extends ClientSettings {
  readonly topics: readonly string[]
  readonly assignments: readonly Assignment[]
  readonly from: StartPosition
  readonly untilEnd: boolean
  readonly onOffsetOutOfRange: OutOfRangePolicy
  readonly fetchMinBytes: number
  readonly fetchMaxWaitMs: number
  readonly fetchMaxBytes: number
  readonly partitionMaxBytes: number
  readonly prefetchBytes: number
  readonly isolationLevel: 0 | 1
  /** `null`: leaders are read. */
  readonly rack: string | null
}

export function resolveConsumer(options: WithPorts<ConsumerOptions<unknown, unknown>>): ConsumerSettings {
  const client = resolveClient(options)
  if ((options as { groupId?: unknown }).groupId !== undefined) {
    const message = 'groupId: this version has no consumer groups yet; name partitions with topics or assignments'
    throw new ConfigError('groupId', message)
  }
  const topics = options.topics ?? []
  const assignments = options.assignments ?? []
  if (!Array.isArray(topics) || topics.some(topic => typeof topic !== 'string' || topic === '')) {
    throw new ConfigError('topics', 'topics: expected a list of topic names')
  }
  if (topics.length > 0 && assignments.length > 0) {
    throw new ConfigError('assignments', 'assignments: expected either topics or assignments, not both')
  }
  for (const assignment of assignments) checkAssignment(assignment)
  const isolation = oneOf('isolationLevel', options.isolationLevel, 'read_uncommitted', [
    'read_uncommitted',
    'read_committed',
  ])
  return {
    ...client,
    topics: [...new Set(topics)],
    assignments,
    from: checkPosition('from', options.from ?? 'end'),
    untilEnd: oneOf<string>('until', options.until, '', ['', 'end']) === 'end',
    onOffsetOutOfRange: oneOf('onOffsetOutOfRange', options.onOffsetOutOfRange, 'error', ['start', 'end', 'error']),
    fetchMinBytes: integer('fetchMinBytes', options.fetchMinBytes, 1, 0),
    fetchMaxWaitMs: integer('fetchMaxWaitMs', options.fetchMaxWaitMs, 500, 0),
    fetchMaxBytes: integer('fetchMaxBytes', options.fetchMaxBytes, 8 * MiB, 1),
    partitionMaxBytes: integer('partitionMaxBytes', options.partitionMaxBytes, MiB, 1),
    prefetchBytes: integer('prefetchBytes', options.prefetchBytes, 16 * MiB, KiB),
    isolationLevel: isolation === 'read_committed' ? 1 : 0,
    rack: checkRack(options.rack),
  }
}

function checkRack(rack: string | undefined): string | null {
  if (rack === undefined) return null
  if (typeof rack === 'string' && rack !== '' && rack.length <= limits.rackLength) return rack
  throw new ConfigError('rack', `rack: expected a name of 1 to ${limits.rackLength} characters, found ${String(rack)}`)
}

/** Throws `ConfigError` unless `assignment` names a partition. */
export function checkAssignment(assignment: Assignment): void {
  const { topic, partition } = assignment
  if (typeof topic !== 'string' || topic === '' || !Number.isSafeInteger(partition) || partition < 0) {
    throw new ConfigError('assignments', 'assignments: expected { topic: name, partition: number from 0 }')
  }
  checkStart('assignments', assignment)
}

/** Throws `ConfigError` unless `offset` is a position, and `epochs` are some that go with it. */
export function checkStart(key: string, { offset, epochs }: Pick<Assignment, 'offset' | 'epochs'>): void {
  if (offset !== undefined) checkPosition(key, offset)
  if (epochs === undefined || (Array.isArray(epochs) && epochs.length === 0)) return
  const isPlain = typeof offset === 'number' && offset >= 0
  if (isPlain && Array.isArray(epochs) && areEpochs(epochs)) return
  throw new ConfigError(key, `${key}: expected epochs as progress() gives them, with an offset from 0`)
}

function areEpochs(epochs: readonly EpochStart[]): boolean {
  const from = (value: number, min: number): boolean => Number.isSafeInteger(value) && value >= min
  return epochs.every((each, i) => {
    const before = epochs[i - 1] ?? { epoch: -1, startOffset: -1 }
    return from(each?.epoch, before.epoch + 1) && from(each.startOffset, before.startOffset + 1)
  })
}

/** Throws `ConfigError` unless `position` is one. */
function checkPosition(key: string, position: StartPosition): StartPosition {
  const isOffset = typeof position === 'number' && Number.isSafeInteger(position)
  const isTime = typeof position === 'object' && position !== null && Number.isSafeInteger(position.timestampMs)
  if (position === 'start' || position === 'end' || isOffset || isTime) return position
  throw new ConfigError(key, `${key}: expected 'start', 'end', an offset, -N from the end, or { timestampMs }`)
}

/** Counters since the consumer was made, and one gauge. */
export interface ConsumerStats {
  recordsConsumed: number
  batchesConsumed: number
  /** Record bytes as they came, compressed. */
  bytesFetched: number
  fetchesSent: number
  fetchesFailed: number
  connectionsOpened: number
  /** Gauge: bytes fetched and not handed out. */
  bufferedBytes: number
}
