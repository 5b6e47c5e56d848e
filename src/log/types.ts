/**
 * What the rest of the broker sees of the log: one `LogManager` per data directory, one `PartitionLog` per partition.
 * Callers assume nothing about files; the log assumes that batches were validated and that one event loop owns it.
 */
import type { ApiError } from '../protocol/errors.ts'
import type { LeaderEpoch, Offset } from '../util/numbers.ts'

export type FlushPolicy = 'sync' | 'os'

/** The settings of one partition's log; from topic configs with Kafka's names. */
export interface LogConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  /** -1: no limit. */
  readonly retentionMs: number
  /** -1: no limit. */
  readonly retentionBytes: number
  readonly flushPolicy: FlushPolicy
  /** `log-append`: the broker's time replaces the producer's. */
  readonly timestampType: 'create' | 'log-append'
}

export interface TopicPartition {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
}

export interface AppendResult {
  readonly baseOffset: Offset
  /** Exclusive: the log end offset after this append. */
  readonly endOffset: Offset
  /** -1 unless the timestamp type is `log-append`. */
  readonly logAppendTimeMs: number
}

/**
 * Appends that will never be durable, though `append` had given them offsets: the disk was full when their group was to
 * be written. Their bytes are gone from the disk for certain, and the next append gets `fromOffset` again.
 */
export interface AppendFailure {
  /** First offset that was taken back; everything appended from here on failed. */
  readonly fromOffset: Offset
  /** Exclusive. */
  readonly endOffset: Offset
  /** `DISK_FULL`. */
  readonly error: ApiError
}

export interface ReadRequest {
  /** The first batch returned contains it (and may begin before it). */
  readonly fromOffset: Offset
  /** Exclusive; nothing at or above it is returned: the high watermark or the last stable offset. */
  readonly endOffset: Offset
  readonly maxBytes: number
  /** Return the first batch whole even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean
}

export interface TimestampLookup {
  readonly offset: Offset
  readonly timestamp: number
  readonly leaderEpoch: LeaderEpoch
}

/**
 * The log of one partition. Words: `appended` (has an offset, in memory) → `written` (in the page cache) → `flushed`
 * (on disk). `durable` means flushed under `sync` and written under `os`.
 *
 * One writer. `append` is synchronous and cheap: bytes leave with the group commit at the end of the turn.
 */
export interface PartitionLog extends AsyncDisposable {
  readonly id: TopicPartition
  readonly config: LogConfig
  readonly logStartOffset: Offset
  /** Base offset of the batch that contains `logStartOffset`: below it when records inside a batch were deleted. */
  readonly startBatchOffset: Offset
  /** Exclusive end of what was appended. */
  readonly logEndOffset: Offset
  /** Exclusive end of what is durable by policy; never above `logEndOffset`. */
  readonly durableEndOffset: Offset
  readonly sizeBytes: number
  readonly segmentCount: number
  /** The newest epoch in the log, or `null` when it is empty. */
  readonly latestEpoch: LeaderEpoch | null
  /** Bytes appended that are not durable by policy: what a crash of the machine may take. The caller pushes back on it. */
  readonly pendingBytes: number
  /** What was found when the log was opened. */
  readonly recovery: RecoveryReport
  /** Not null once the disk failed under this log: it takes no more appends and serves no more reads. */
  readonly failure: Error | null

  /**
   * Appends validated batches (one or more, back to back): gives them offsets and `leaderEpoch` in place. The buffer
   * belongs to the log from now on. Throws `ApiError` `KAFKA_STORAGE_ERROR` or `DISK_FULL` when it can take nothing.
   *
   * An append ends in one of three ways, and each is announced synchronously, before anything else can be appended:
   * `durableEndOffset` reaches its `endOffset` (`onProgress`), `failure` is set (`onProgress`; the outcome is unknown),
   * or it is taken back (`onAppendFailure`; it did not happen).
   */
  append(batches: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult
  /**
   * Appends batches as their leader stored them: offsets and epochs stay as they are, and continue the log (asserted). The
   * buffer belongs to the log from now on. Throws and ends like `append`.
   */
  appendReplicated(batches: Uint8Array): void
  /** Called after `durableEndOffset` moved or `failure` was set. One listener. */
  onProgress(listener: () => void): void
  /**
   * Called when appends were taken back because the disk is full: whoever waits for an end offset above `fromOffset` must
   * be told that it failed. Until it is called, `append` throws `DISK_FULL`, so that no offset has two meanings. A leader
   * that had sent the lost records to a follower must give up its epoch. One listener.
   */
  onAppendFailure(listener: (failure: AppendFailure) => void): void
  /**
   * Whole batches, one or more in each piece, in memory of the reader's own (nothing changes it later); together at most
   * `maxBytes` unless `minOneBatch`.
   * Synchronous when the tail cache has them. Throws `ApiError` `OFFSET_OUT_OF_RANGE` below the start or above the end
   * of the log, `KAFKA_STORAGE_ERROR` (thrown or rejected) when the bytes on disk are damaged: then the log is offline.
   */
  read(request: ReadRequest): Uint8Array[] | Promise<Uint8Array[]>
  /**
   * The same as far as the tail cache has it, else `null`; without copies: the views hold until the next append to any log
   * of this directory, so they are used up within the turn. Throws like `read`.
   */
  readViews(request: ReadRequest): readonly Uint8Array[] | null
  /**
   * A reader whose last `read` ended at `fromOffset` has time to take it in: what he will ask for next may be read meanwhile,
   * if he reads one part after the other.
   */
  readAhead(fromOffset: Offset, maxBytes: number): void
  /** First record with a timestamp at or after `timestampMs` and below `endOffset`, or `null`. */
  offsetForTimestamp(timestampMs: number, endOffset: Offset): Promise<TimestampLookup | null>
  /** Leader epoch of the record at `offset`; `logStartOffset <= offset < logEndOffset`. */
  epochAt(offset: Offset): LeaderEpoch
  /** End offset of the newest epoch at or below `epoch` (KIP-101, KIP-279), or `null`. */
  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null
  /**
   * Removes records at and above `offset`, durably; a batch that contains `offset` goes whole. Nothing may be appended
   * meanwhile.
   */
  truncateTo(offset: Offset, reason: string): Promise<void>
  /**
   * Removes everything and goes on empty at `offset`, above or below what there was, durably: what a follower does that its
   * leader cannot give the records it lacks. Nothing may be appended meanwhile.
   */
  restartAt(offset: Offset, reason: string): Promise<void>
  /** Raises `logStartOffset`, durably, and deletes whole segments below it. */
  advanceLogStart(offset: Offset): Promise<void>
  /**
   * Deletes segments by time and size below `endOffset`; returns what it freed. The active segment goes too when all of
   * it has expired: it is rolled first, as in Kafka. A wall clock that jumped forward against the monotonic one is not
   * believed for a day.
   */
  applyRetention(wallClockMs: number, endOffset: Offset): Promise<{ segments: number; bytes: number }>
  /** Rolls, if the active segment is older than `segmentMs`. */
  reconfigure(config: LogConfig): void
  /** Resolves once everything appended so far is flushed, whatever the policy. */
  flush(): Promise<void>
}

export interface RecoveryCut {
  readonly path: string
  /** What is left of the file. */
  readonly fromBytes: number
  /** What it held before. */
  readonly toBytes: number
  readonly reason: string
}

/** What recovery found and did, for the log line and for tests. */
export interface RecoveryReport {
  readonly wasClean: boolean
  readonly segmentsScanned: number
  /** Bytes of a torn tail that were cut, and where. */
  readonly cuts: readonly RecoveryCut[]
  readonly indexesRebuilt: readonly string[]
  /** Milliseconds of the monotonic clock. */
  readonly tookMs: number
}

/** Up to where replicas knew their records to be committed, kept over a restart. */
export interface HighWatermarks {
  /** What was last set, in this process or an earlier one; 0 for a partition not seen before. May be above the log end. */
  get(id: TopicPartition): Offset
  set(id: TopicPartition, offset: Offset): void
  /** Resolves when, durably, nothing above `offset` is kept for this partition: at once when nothing is. Without room on the disk an `ApiError` `DISK_FULL`. */
  lower(id: TopicPartition, offset: Offset): Promise<void>
  /** Resolves when everything set before the call is durable. The end of the manager saves, too. */
  save(): Promise<void>
}

/** All partition logs of one data directory. */
export interface LogManager extends AsyncDisposable {
  readonly directory: string
  readonly logs: ReadonlyMap<string, PartitionLog>
  readonly highWatermarks: HighWatermarks
  /**
   * Opens what is there or creates it. A directory with another topic id is an `ApiError` `UNKNOWN_TOPIC_ID`: `removeLog` it first, if
   * that topic is known to be gone. Damage does not throw: the log comes back with `failure` set, and the others live.
   */
  openLog(id: TopicPartition, config: LogConfig): Promise<PartitionLog>
  /** Renames the directory away at once and deletes it in the background. */
  removeLog(id: TopicPartition): Promise<void>
  /** True if the last stop wrote the clean-shutdown marker: nothing can be missing. */
  readonly wasClean: boolean
  /** Persists the recovery points now, as it is done every minute: bounds what the next start must scan. */
  checkpoint(): Promise<void>
  /**
   * Partition directories found at start, with the topic id each carries. One whose `partition.metadata` is damaged is
   * not listed (so that nobody takes it for a stray and deletes it); opening it gives a log with `failure` set.
   */
  found(): readonly TopicPartition[]
  health(): LogHealth
  stats(): LogManagerStats
}

/** Whether the disk under the logs does its work. */
export interface LogHealth {
  /** Age of the oldest sync in flight; 0 when there is none. A disk that stalls shows here. */
  readonly oldestSyncMs: number
  /** Appends are refused with `DISK_FULL`. */
  readonly isDiskFull: boolean
}

/** Plain numbers for `/metrics`: cumulative unless the name says otherwise. */
export interface LogManagerStats extends LogHealth {
  readonly bytesAppended: number
  readonly writes: number
  readonly syncs: number
  /** Durations of the syncs since `stats` was last called, at most 1024: the reader drains them. */
  readonly syncMsSamples: readonly number[]
  readonly tailCacheBytes: number
  readonly tailCacheHits: number
  readonly tailCacheMisses: number
  readonly openFiles: number
  readonly pendingBytes: number
}
