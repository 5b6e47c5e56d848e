/** One partition's log as the rest of the broker sees it: a thin face over `LogCore`. */
import { assertAtMost, assertLess } from '../util/assert.ts'
import type { LeaderEpoch, Offset } from '../util/numbers.ts'
import { advanceRecoveryPoint, closeIndexes } from './log-checkpoint.ts'
import type { LogCore } from './log-core.ts'
import { advanceLogStart, applyRetention, type Freed, sizeOf } from './log-deletion.ts'
import { read, readAhead, readViews, startBatchOffset } from './log-reader.ts'
import { flush, holdSyncs, requestSync } from './log-syncer.ts'
import { restartAt, truncateTo } from './log-truncation.ts'
import { append, appendReplicated, roll } from './log-writer.ts'
import { offsetForTimestamp } from './time-lookup.ts'
import type {
  AppendFailure,
  AppendResult,
  LogConfig,
  PartitionLog,
  ReadRequest,
  RecoveryReport,
  TimestampLookup,
  TopicPartition,
} from './types.ts'

export class StoredLog implements PartitionLog {
  readonly #core: LogCore
  readonly #onClosed: () => void
  #closing: Promise<void> | null = null

  /** `onClosed`: the manager forgets the log. */
  constructor(core: LogCore, onClosed: () => void) {
    this.#core = core
    this.#onClosed = onClosed
  }

  get id(): TopicPartition {
    return this.#core.id
  }

  get config(): LogConfig {
    return this.#core.config
  }

  get logStartOffset(): Offset {
    return this.#core.logStartOffset
  }

  get startBatchOffset(): Offset {
    return startBatchOffset(this.#core)
  }

  get logEndOffset(): Offset {
    return this.#core.logEndOffset
  }

  get durableEndOffset(): Offset {
    return this.#core.durableEndOffset
  }

  get pendingBytes(): number {
    return this.#core.pendingBytes
  }

  get sizeBytes(): number {
    return sizeOf(this.#core.segments)
  }

  get segmentCount(): number {
    return this.#core.segments.length
  }

  get latestEpoch(): LeaderEpoch | null {
    return this.#core.latestEpoch
  }

  get recovery(): RecoveryReport {
    return this.#core.recovery
  }

  get failure(): Error | null {
    return this.#core.failure
  }

  append(batches: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult {
    return append(this.#core, batches, leaderEpoch)
  }

  appendReplicated(batches: Uint8Array): void {
    appendReplicated(this.#core, batches)
  }

  onProgress(listener: () => void): void {
    this.#core.notifyProgress = listener
  }

  onAppendFailure(listener: (failure: AppendFailure) => void): void {
    this.#core.notifyAppendFailure = listener
  }

  read(request: ReadRequest): Uint8Array[] | Promise<Uint8Array[]> {
    return read(this.#core, request)
  }

  readViews(request: ReadRequest): readonly Uint8Array[] | null {
    return readViews(this.#core, request)
  }

  readAhead(fromOffset: Offset, maxBytes: number): void {
    readAhead(this.#core, fromOffset, maxBytes)
  }

  offsetForTimestamp(timestampMs: number, endOffset: Offset): Promise<TimestampLookup | null> {
    return offsetForTimestamp(this.#core, timestampMs, endOffset)
  }

  epochAt(offset: Offset): LeaderEpoch {
    assertAtMost(this.#core.logStartOffset, offset, 'logStartOffset <= offset')
    assertLess(offset, this.#core.logEndOffset, 'offset < logEndOffset')
    return this.#core.epochs.epochAt(offset)
  }

  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null {
    return this.#core.epochs.endOffsetFor(epoch, this.#core.logEndOffset)
  }

  truncateTo(offset: Offset, reason: string): Promise<void> {
    return truncateTo(this.#core, offset, reason)
  }

  restartAt(offset: Offset, reason: string): Promise<void> {
    return restartAt(this.#core, offset, reason)
  }

  advanceLogStart(offset: Offset): Promise<void> {
    return advanceLogStart(this.#core, offset)
  }

  applyRetention(wallClockMs: number, endOffset: Offset): Promise<Freed> {
    return applyRetention(this.#core, wallClockMs, endOffset)
  }

  reconfigure(config: LogConfig): void {
    const core = this.#core
    core.config = config
    if (core.failure !== null || core.isClosed) return
    const active = core.activeSegment
    const wallClockMs = core.env.clock.wallClockMs()
    if (active.appendedBytes > 0 && wallClockMs - active.loadFirstTimestamp() > config.segmentMs) roll(core)
    // From `os` to `sync`: what was acknowledged from the page cache becomes durable now.
    if (config.flushPolicy === 'sync') requestSync(core)
  }

  flush(): Promise<void> {
    return flush(this.#core)
  }

  /** Flushes and closes. A log that failed closes without touching the disk; one that fails now rejects with what the disk said. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      if (this.#core.failure === null) await flush(this.#core)
      await this.#core.exclusive(() => closeIndexes(this.#core))
      await advanceRecoveryPoint(this.#core)
    } catch (error) {
      throw this.#core.failure ?? error
    } finally {
      await this.abandon()
    }
  }

  /** Closes without flushing: the log is about to be removed, or nothing can be saved any more. */
  async abandon(): Promise<void> {
    const core = this.#core
    core.isClosed = true
    core.pending = []
    core.addPending(-core.pendingBytes)
    core.env.cache.truncate(core.tail, 0)
    await core.exclusive(() => holdSyncs(core))
    core.generation++
    for (const segment of core.segments) for (const path of segment.paths) core.env.files.forget(path)
    this.#onClosed()
  }

  /** Moves the recovery point up to what is on disk; the manager saves it. */
  checkpoint(): Promise<void> {
    return advanceRecoveryPoint(this.#core)
  }
}
