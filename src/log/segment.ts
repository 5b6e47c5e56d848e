/**
 * One segment: a `.log` file and its two index files. It knows sizes and index state; what is written when is the
 * writer's business. Memory for a segment that is not being written is this object and nothing else.
 */
import { type BatchHeader, endOffsetOf } from '../protocol/batch/header.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Offset } from '../util/numbers.ts'
import { BatchCursor } from './batch-cursor.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { FilePool } from './file-pool.ts'
import { segmentName, suffix } from './paths.ts'
import { SparseIndex } from './sparse-index.ts'
import type { LogConfig } from './types.ts'

const noTimestamp = -1
const relativeOffsetMax = 0x7fff_ffff

export class Segment {
  readonly baseOffset: Offset
  readonly logPath: string
  readonly offsetIndex: SparseIndex
  readonly timeIndex: SparseIndex
  /** Bytes with an offset, in memory or in the file. */
  appendedBytes: number
  /** Bytes in the file; `syncedBytes <= writtenBytes <= appendedBytes`. */
  writtenBytes: number
  /** Bytes known to be on disk. */
  syncedBytes = 0
  /** The files exist. */
  isCreated: boolean
  /** Another segment follows: its indexes are complete and in their files. */
  isSealed = false
  bytesSinceIndexEntry = 0
  /** Largest timestamp so far and the last offset of the first batch that has it; `null`: not looked up yet. */
  largest: { timestamp: number; lastOffset: Offset } | null
  /** Largest timestamp of the first batch: what rolling by time goes by. */
  firstTimestamp: number | null = null
  readonly #files: FilePool

  /** For a segment that does not exist yet, or one whose files are on `disk`. */
  constructor(files: FilePool, directory: string, baseOffset: Offset, disk: Disk | null) {
    const stem = `${directory}/${segmentName(baseOffset)}`
    const sizeOf = (path: string): number => (disk?.exists(path) ? disk.sizeOf(path) : 0)
    this.#files = files
    this.baseOffset = baseOffset
    this.logPath = stem + suffix.log
    this.offsetIndex = new SparseIndex(files, stem + suffix.index, 'offset', sizeOf(stem + suffix.index))
    this.timeIndex = new SparseIndex(files, stem + suffix.timeIndex, 'time', sizeOf(stem + suffix.timeIndex))
    this.appendedBytes = this.writtenBytes = sizeOf(this.logPath)
    this.isCreated = disk !== null
    this.largest = disk === null ? { timestamp: noTimestamp, lastOffset: baseOffset } : null
  }

  get paths(): readonly string[] {
    return [this.logPath, this.offsetIndex.path, this.timeIndex.path]
  }

  /** Kafka's rule for rolling before this batch. `nowMs`: wall clock, for batches without timestamps. */
  mustRollBefore(header: BatchHeader, config: LogConfig): boolean {
    if (this.appendedBytes === 0) return false
    const first = this.loadFirstTimestamp()
    return (
      this.appendedBytes > config.segmentBytes - header.sizeBytes ||
      header.maxTimestamp - first > config.segmentMs ||
      this.offsetIndex.entryCount >= Math.floor(config.segmentIndexBytes / 8) ||
      this.timeIndex.entryCount >= Math.floor(config.segmentIndexBytes / 12) - 1 ||
      endOffsetOf(header) - 1 - this.baseOffset > relativeOffsetMax
    )
  }

  /** Counts a batch at `appendedBytes` in, with an index entry when enough bytes passed since the last one. */
  note(header: BatchHeader, config: LogConfig): void {
    const lastOffset = endOffsetOf(header) - 1
    if (this.appendedBytes === 0) this.firstTimestamp = header.maxTimestamp
    const { largest } = this
    if (largest === null || header.maxTimestamp > largest.timestamp) {
      this.largest = { timestamp: header.maxTimestamp, lastOffset }
    }
    if (this.bytesSinceIndexEntry > config.indexIntervalBytes) {
      this.offsetIndex.append(lastOffset - this.baseOffset, this.appendedBytes)
      this.noteTimestamp()
      this.bytesSinceIndexEntry = 0
    }
    this.bytesSinceIndexEntry += header.sizeBytes
    this.appendedBytes += header.sizeBytes
  }

  /** Adds the largest timestamp so far to the time index, unless it is there: on roll even if no entry is due. */
  noteTimestamp(): void {
    const { largest } = this
    if (largest === null || largest.timestamp < 0) return
    const last = this.timeIndex.lastEntry
    if (last !== null && last.key >= largest.timestamp) return
    this.timeIndex.append(largest.timestamp, largest.lastOffset - this.baseOffset)
  }

  /** Cursor at the first batch boundary known at or before `offset`. A wrong index entry is a `CorruptionError`. */
  cursorBefore(offset: Offset): { cursor: BatchCursor; isExact: boolean } {
    const at = this.offsetIndex.floor(offset - this.baseOffset)
    const file = this.#files.use(this.logPath)
    if (at < 0) return { cursor: new BatchCursor(file, 0, this.writtenBytes), isExact: false }
    const entry = this.offsetIndex.entry(at)
    if (endOffsetAt(file, entry.value, this.writtenBytes) !== this.baseOffset + entry.key + 1) {
      throw new CorruptionError(this.offsetIndex.path, `entry ${at} names no batch of the log`)
    }
    return { cursor: new BatchCursor(file, entry.value, this.writtenBytes), isExact: true }
  }

  /** The first batch with an offset at or above `offset`, or `null` when the segment ends before. */
  locate(offset: Offset): { position: number; header: BatchHeader } | null {
    const { cursor, isExact } = this.cursorBefore(offset)
    let expected: Offset | null = isExact ? null : this.baseOffset
    for (;;) {
      const { position } = cursor
      const header = cursor.next(expected)
      if (header === null) return null
      expected = endOffsetOf(header)
      if (expected > offset) return { position, header }
    }
  }

  loadFirstTimestamp(): number {
    if (this.firstTimestamp !== null) return this.firstTimestamp
    const header = new BatchCursor(this.#files.use(this.logPath), 0, this.writtenBytes, 64).next(this.baseOffset)
    this.firstTimestamp = header?.maxTimestamp ?? noTimestamp
    return this.firstTimestamp
  }

  /**
   * Largest timestamp of the segment: its last time index entry, once the batch it names has confirmed it and no batch
   * at the end of the segment is newer (which is how an index that lost its end shows).
   */
  loadLargest(): { timestamp: number; lastOffset: Offset } {
    if (this.largest !== null) return this.largest
    const entry = this.timeIndex.lastEntry
    if (entry !== null) this.confirmTimeEntry(entry.key, entry.value)
    const largest = { timestamp: entry?.key ?? noTimestamp, lastOffset: this.baseOffset + (entry?.value ?? 0) }
    const { cursor } = this.cursorBefore(Number.MAX_SAFE_INTEGER)
    for (let header = cursor.next(null); header !== null; header = cursor.next(null)) {
      if (header.maxTimestamp > largest.timestamp) {
        throw new CorruptionError(this.timeIndex.path, 'it ends before the largest timestamp')
      }
    }
    this.largest = largest
    return largest
  }

  /** A time index entry is used only if the batch it names ends there and has that timestamp. */
  confirmTimeEntry(timestamp: number, relativeOffset: number): void {
    const found = this.locate(this.baseOffset + relativeOffset)
    const isRight =
      found !== null &&
      endOffsetOf(found.header) - 1 === this.baseOffset + relativeOffset &&
      found.header.maxTimestamp === timestamp
    if (!isRight) throw new CorruptionError(this.timeIndex.path, `the entry for ${timestamp} names no such batch`)
  }
}

/** End offset of the batch at `position`, or `null` when none begins there. */
function endOffsetAt(file: DiskFile, position: number, sizeBytes: number): Offset | null {
  if (position < 0 || position >= sizeBytes) return null
  try {
    const header = new BatchCursor(file, position, sizeBytes, 64).next(null)
    return header === null ? null : endOffsetOf(header)
  } catch (error) {
    if (error instanceof CorruptionError) return null
    throw error
  }
}
