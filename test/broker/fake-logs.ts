/**
 * Logs in memory whose durability the test decides: what is appended becomes durable when the test says `flushed`, so
 * the order of releases can be seen. Keeps the contract of `PartitionLog` as far as the broker relies on it.
 */
import assert from 'node:assert/strict'
import type {
  AppendFailure,
  AppendResult,
  HighWatermarks,
  LogConfig,
  LogHealth,
  LogManager,
  LogManagerStats,
  PartitionLog,
  ReadRequest,
  TimestampLookup,
  TopicPartition,
} from '../../src/log/types.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import { patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { type LeaderEpoch, toLeaderEpoch } from '../../src/util/numbers.ts'

interface StoredBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly maxTimestamp: number
  readonly bytes: Uint8Array
}

export class FakeLog implements PartitionLog {
  readonly id: TopicPartition
  config: LogConfig
  logStartOffset = 0
  logEndOffset = 0
  durableEndOffset = 0
  readonly segmentCount = 1
  latestEpoch: LeaderEpoch | null = null
  failure: Error | null = null
  isClosed = false
  /** Appends are durable at once. */
  isInstant = false
  /** The next append throws it. */
  refuseWith: Error | null = null
  /** Reads reject with it. */
  readFailure: Error | null = null
  /** Reads answer with a promise, and in one piece, as from a file. */
  readsFromDisk = false
  /** What was asked to be read ahead: from where, and how much. */
  readonly aheads: Array<[fromOffset: number, maxBytes: number]> = []
  reads = 0
  batches: StoredBatch[] = []
  /** What the log says it has not yet made durable; the test sets it. */
  pendingBytes = 0
  readonly recovery = { wasClean: true, segmentsScanned: 0, cuts: [], indexesRebuilt: [], tookMs: 0 }
  #onProgress: () => void = () => {}
  #onAppendFailure: (failure: AppendFailure) => void = () => {}

  constructor(id: TopicPartition, config: LogConfig) {
    this.id = id
    this.config = config
  }

  get startBatchOffset(): number {
    return this.batches.find(batch => batch.endOffset > this.logStartOffset)?.baseOffset ?? this.logStartOffset
  }

  get sizeBytes(): number {
    return this.batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  append(bytes: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult {
    if (this.refuseWith !== null) throw this.refuseWith
    const { recordCount, maxTimestamp } = readBatchHeader(bytes, 0)
    const baseOffset = this.logEndOffset
    const endOffset = baseOffset + recordCount
    patchBatch(bytes, 0, baseOffset, leaderEpoch)
    this.batches.push({ baseOffset, endOffset, maxTimestamp, bytes })
    this.logEndOffset = endOffset
    this.latestEpoch = leaderEpoch
    if (this.isInstant) this.durableEndOffset = endOffset
    return { baseOffset, endOffset, logAppendTimeMs: -1 }
  }

  appendReplicated(bytes: Uint8Array): void {
    if (this.refuseWith !== null) throw this.refuseWith
    for (const batch of splitBatches(bytes)) {
      const { baseOffset, lastOffsetDelta, maxTimestamp, leaderEpoch } = readBatchHeader(batch, 0)
      assert.equal(baseOffset, this.logEndOffset, 'a replicated batch continues the log')
      const endOffset = baseOffset + lastOffsetDelta + 1
      this.batches.push({ baseOffset, endOffset, maxTimestamp, bytes: batch })
      this.logEndOffset = endOffset
      this.latestEpoch = toLeaderEpoch(leaderEpoch)
    }
    if (this.isInstant) this.durableEndOffset = this.logEndOffset
  }

  onProgress(listener: () => void): void {
    this.#onProgress = listener
  }

  onAppendFailure(listener: (failure: AppendFailure) => void): void {
    this.#onAppendFailure = listener
  }

  /** The disk was full when everything from `fromOffset` on was to be written. */
  takeBack(fromOffset: number): void {
    const endOffset = this.logEndOffset
    this.batches = this.batches.filter(batch => batch.baseOffset < fromOffset)
    this.logEndOffset = fromOffset
    this.#onAppendFailure({ fromOffset, endOffset, error: new ApiError('DISK_FULL') })
  }

  /** Everything below `endOffset` (default: everything) is durable now. */
  flushed(endOffset: number = this.logEndOffset): void {
    assert.ok(endOffset >= this.durableEndOffset && endOffset <= this.logEndOffset)
    this.durableEndOffset = endOffset
    this.#onProgress()
  }

  fail(error: Error): void {
    this.failure = error
    this.#onProgress()
  }

  read({ fromOffset, endOffset, maxBytes, minOneBatch }: ReadRequest): Uint8Array[] | Promise<Uint8Array[]> {
    this.reads += 1
    if (this.readFailure !== null) return Promise.reject(this.readFailure)
    if (fromOffset < this.logStartOffset) throw new ApiError('OFFSET_OUT_OF_RANGE')
    const found: Uint8Array[] = []
    let size = 0
    for (const batch of this.batches) {
      if (batch.endOffset <= fromOffset) continue
      if (batch.endOffset > endOffset) break
      const isAllowed = size + batch.bytes.length <= maxBytes || (minOneBatch && found.length === 0)
      if (!isAllowed) break
      found.push(batch.bytes)
      size += batch.bytes.length
    }
    if (!this.readsFromDisk) return found
    return Promise.resolve(found.length === 0 ? [] : [joinBytes(found)])
  }

  readViews(request: ReadRequest): Uint8Array[] | null {
    return this.readsFromDisk ? null : (this.read(request) as Uint8Array[])
  }

  readAhead(fromOffset: number, maxBytes: number): void {
    this.aheads.push([fromOffset, maxBytes])
  }

  async offsetForTimestamp(timestampMs: number, endOffset: number): Promise<TimestampLookup | null> {
    const batch = this.batches.find(b => b.maxTimestamp >= timestampMs && b.baseOffset < endOffset)
    return batch === undefined
      ? null
      : { offset: batch.baseOffset, timestamp: batch.maxTimestamp, leaderEpoch: this.latestEpoch! }
  }

  epochAt(offset: number): LeaderEpoch {
    const batch = this.batches.find(each => each.baseOffset <= offset && offset < each.endOffset)
    return epochOf(batch ?? assert.fail(`no record at ${offset}`))
  }

  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: number } | null {
    const last = this.batches.findLast(batch => epochOf(batch) <= epoch)
    return last === undefined ? null : { epoch: epochOf(last), endOffset: last.endOffset }
  }

  async truncateTo(offset: number): Promise<void> {
    if (offset >= this.logEndOffset) return
    this.batches = this.batches.filter(batch => batch.endOffset <= offset)
    this.#endAt(this.batches.at(-1)?.endOffset ?? this.logStartOffset)
  }

  async restartAt(offset: number): Promise<void> {
    this.batches = []
    this.logStartOffset = offset
    this.#endAt(offset)
    this.durableEndOffset = offset
  }

  async advanceLogStart(offset: number): Promise<void> {
    this.logStartOffset = offset
  }

  async applyRetention(wallClockMs: number, endOffset: number): Promise<{ segments: number; bytes: number }> {
    const { retentionMs } = this.config
    const isOld = (batch: StoredBatch): boolean => retentionMs >= 0 && batch.maxTimestamp < wallClockMs - retentionMs
    const deleted = this.batches.filter(batch => isOld(batch) && batch.endOffset <= endOffset)
    this.batches = this.batches.filter(batch => !deleted.includes(batch))
    this.logStartOffset = this.batches[0]?.baseOffset ?? this.logEndOffset
    return { segments: deleted.length, bytes: deleted.reduce((sum, { bytes }) => sum + bytes.length, 0) }
  }

  reconfigure(config: LogConfig): void {
    this.config = config
  }

  async flush(): Promise<void> {
    this.flushed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true
  }

  #endAt(offset: number): void {
    const last = this.batches.at(-1)
    this.logEndOffset = offset
    this.durableEndOffset = Math.min(this.durableEndOffset, offset)
    this.latestEpoch = last === undefined ? null : epochOf(last)
    this.#onProgress()
  }
}

function epochOf({ bytes }: StoredBatch): LeaderEpoch {
  return toLeaderEpoch(readBatchHeader(bytes, 0).leaderEpoch)
}

export class FakeHighWatermarks implements HighWatermarks {
  readonly offsets = new Map<string, number>()
  saves = 0

  get({ topic, partition }: TopicPartition): number {
    return this.offsets.get(`${topic}-${partition}`) ?? 0
  }

  set({ topic, partition }: TopicPartition, offset: number): void {
    this.offsets.set(`${topic}-${partition}`, offset)
  }

  async lower(id: TopicPartition, offset: number): Promise<void> {
    this.set(id, Math.min(this.get(id), offset))
  }

  async save(): Promise<void> {
    this.saves++
  }
}

export class FakeLogManager implements LogManager {
  /** Most that were being opened at once. */
  openingMax = 0
  #opening = 0
  readonly directory = 'data'
  readonly wasClean = true
  readonly logs = new Map<string, FakeLog>()
  readonly opened: TopicPartition[] = []
  readonly removed: TopicPartition[] = []
  /** Logs opened from now on make appends durable at once. */
  isInstant = false
  readonly highWatermarks = new FakeHighWatermarks()
  state = { oldestSyncMs: 0, isDiskFull: false }
  /** Opening this topic fails. */
  failingTopic: string | null = null
  fullTopic: string | null = null
  /** While set, opening and removing wait for it. */
  gate: Promise<void> = Promise.resolve()

  async openLog(id: TopicPartition, config: LogConfig): Promise<FakeLog> {
    this.openingMax = Math.max(this.openingMax, ++this.#opening)
    await this.gate
    this.#opening--
    if (id.topic === this.fullTopic) throw new ApiError('DISK_FULL')
    if (id.topic === this.failingTopic) throw new Error(`${id.topic} is damaged`)
    const name = `${id.topic}-${id.partition}`
    const known = this.logs.get(name)
    if (known !== undefined && known.id.topicId !== id.topicId) throw new Error(`${name} belongs to another topic`)
    const log = known ?? new FakeLog(id, config)
    log.isInstant = this.isInstant
    this.logs.set(name, log)
    this.opened.push(id)
    return log
  }

  async removeLog(id: TopicPartition): Promise<void> {
    await this.gate
    this.logs.delete(`${id.topic}-${id.partition}`)
    this.removed.push(id)
  }

  async checkpoint(): Promise<void> {}

  found(): readonly TopicPartition[] {
    return []
  }

  health(): LogHealth {
    return this.state
  }

  stats(): LogManagerStats {
    assert.fail('not asked here')
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
