/**
 * What stands between fetched batches and the application: decodes one batch at a time, when the application gets to
 * it, and hands its records out. Positions move here and only here.
 */

import { decodeBatch } from '../../protocol/batch/decoder.ts'
import { attribute, readBatchHeader } from '../../protocol/batch/header.ts'
import type { Codecs, DecodedRecord } from '../../protocol/batch/types.ts'
import { ApiError } from '../../protocol/errors.ts'
import { nameOf } from '../by-leader.ts'
import { describe } from '../connection-pool.ts'
import { type AssignedPartition, nextOffsetOf } from './assigned-partition.ts'
import type { Fetcher } from './fetcher.ts'
import type { ConsumerStats } from './types.ts'

/** A batch being handed out. Void as soon as `generation` is not the partition's any more. */
export interface OpenBatch {
  readonly partition: AssignedPartition
  readonly generation: number
  readonly records: DecodedRecord[]
  /** Exclusive: where the position is once all are handed out, gaps at the end included. */
  readonly nextOffset: number
  readonly highWatermark: number
  /** Next record to be handed out. */
  index: number
}

export class RecordBuffer {
  readonly #fetcher: Fetcher
  readonly #codecs: Codecs
  readonly #stats: ConsumerStats
  #open: OpenBatch | null = null
  #decoding: Promise<void> | null = null

  constructor(fetcher: Fetcher, codecs: Codecs, stats: ConsumerStats) {
    this.#fetcher = fetcher
    this.#codecs = codecs
    this.#stats = stats
  }

  /** A decompressor's promise that must settle before there is more; `null` when nothing is being decoded. */
  get decoding(): Promise<void> | null {
    return this.#decoding
  }

  /** The batch to hand records out of, with at least one left; `null` when none is here. Throws a partition's failure. */
  current(): OpenBatch | null {
    for (;;) {
      const open = this.#open
      if (open !== null) {
        if (open.index < open.records.length && open.generation === open.partition.generation) return open
        this.#open = null
      }
      if (this.#decoding !== null) return null
      const partition = this.#fetcher.takeReady()
      if (partition === null) return null
      this.#next(partition)
    }
  }

  #next(partition: AssignedPartition): void {
    const batch = partition.shift()
    if (batch === undefined) {
      this.#fetcher.onTold(partition)
      throw partition.failure!
    }
    this.#fetcher.onTaken(partition, batch.length)
    const { generation } = partition
    try {
      const records = decodeBatch(batch, this.#codecs)
      if (Array.isArray(records)) this.#openBatch(partition, generation, batch, records)
      else this.#decoding = this.#openLater(partition, generation, batch, records)
    } catch (error) {
      this.#onDamaged(partition, batch, error)
    }
    this.#fetcher.line(partition)
  }

  async #openLater(
    partition: AssignedPartition,
    generation: number,
    batch: Uint8Array,
    records: Promise<DecodedRecord[]>,
  ): Promise<void> {
    try {
      this.#openBatch(partition, generation, batch, await records)
    } catch (error) {
      if (partition.generation === generation) this.#onDamaged(partition, batch, error)
      this.#fetcher.line(partition)
    } finally {
      this.#decoding = null
    }
  }

  #openBatch(partition: AssignedPartition, generation: number, batch: Uint8Array, records: DecodedRecord[]): void {
    if (partition.generation !== generation) return
    const nextOffset = nextOffsetOf(batch)
    const end = partition.stopOffset ?? Number.MAX_SAFE_INTEGER
    const isControl = (readBatchHeader(batch, 0).attributes & attribute.control) !== 0
    // The first batch of a fetch begins where it was written, which may be before the offset asked for.
    let index = 0
    while (index < records.length && records[index]!.offset < partition.position) index++
    if (isControl) index = records.length
    if (records.length > 0 && records[records.length - 1]!.offset >= end) {
      records.length = records.findIndex(record => record.offset >= end)
    }
    if (index >= records.length) partition.position = Math.max(partition.position, Math.min(nextOffset, end))
    else {
      this.#stats.batchesConsumed++
      const { highWatermark } = partition
      this.#open = { partition, generation, records, nextOffset: Math.min(nextOffset, end), highWatermark, index }
    }
  }

  /** Nothing of the batch is handed out, nor anything behind it, until somebody says where to go on. */
  #onDamaged(partition: AssignedPartition, batch: Uint8Array, cause: unknown): void {
    const { baseOffset } = readBatchHeader(batch, 0)
    const next = nextOffsetOf(batch)
    const code = cause instanceof ApiError ? cause.code : 'CORRUPT_MESSAGE'
    const message = `${nameOf(partition)}: the batch at offset ${baseOffset} cannot be read: ${describe(cause)}; seek to ${next} to go past it`
    partition.forget()
    partition.failure = new ApiError(code, message, { cause })
  }
}
