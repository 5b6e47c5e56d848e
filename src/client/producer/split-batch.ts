/** Splits a batch the broker found too large into two halves that hold the same records in the same order. */
import { decodeBatch } from '../../protocol/batch/decoder.ts'
import { assert } from '../../util/assert.ts'
import { ProducerBatch } from './producer-batch.ts'
import type { ProducerSettings } from './types.ts'

/** The halves, filled but not encoded. `batch` has at least two records and its bytes. */
export async function splitBatch(
  batch: ProducerBatch,
  settings: ProducerSettings,
): Promise<readonly [ProducerBatch, ProducerBatch]> {
  const { compression, codec } = settings
  const records = await decodeBatch(batch.bytes!, settings.codecs)
  assert(records.length === batch.recordCount && records.length > 1, 'a batch to split has its records')
  const middle = Math.ceil(records.length / 2)
  const span = batch.span / 2
  const half = (sequence: number): ProducerBatch =>
    new ProducerBatch({
      topic: batch.topic,
      partition: batch.partition,
      sequence,
      span,
      createdAtMs: batch.createdAtMs,
      deadlineMs: batch.deadlineMs,
      capacityBytes: 0,
      buffer: null,
      bytesMax: 0x7fff_0000, // The records were in one batch: half of them always fit.
      compression,
      codec,
    })
  const first = half(batch.sequence)
  const second = half(batch.sequence + span)
  records.forEach((record, i) => {
    const { key, value, headers, timestamp } = record
    const part = i < middle ? first : second
    part.builder.tryAppend(key, value, headers.length === 0 ? null : headers, timestamp)
  })
  // They go the way of what comes back: one at a time, ahead of what followed.
  first.attempts = 1
  second.attempts = 1
  batch.splitInto(first, second)
  return [first, second]
}
