/** Hands the records of an open batch to the application, through its deserializers, and moves the position. */
import type { DecodedRecord } from '../../protocol/batch/types.ts'
import type { OpenBatch } from './record-buffer.ts'
import type { BatchRecord, ConsumerBatch, ConsumerRecord, ConsumerStats, Deserializers } from './types.ts'

/** One record. The position moves only once its deserializers did not throw. */
export function handOutRecord<K, V>(
  batch: OpenBatch,
  deserializers: Deserializers<K, V>,
  stats: ConsumerStats,
): ConsumerRecord<K, V> {
  const { partition: from, records } = batch
  const record = records[batch.index]!
  const { offset, timestamp, headers } = record
  const { topic, partition } = from
  const key = deserialized(deserializers.key, record.key, topic, partition, offset)
  const value = deserialized(deserializers.value, record.value, topic, partition, offset)
  batch.index++
  from.position = batch.index < records.length ? offset + 1 : batch.nextOffset
  stats.recordsConsumed++
  return { topic, partition, offset, timestamp, key, value, headers }
}

/** What is left of the batch. */
export function handOutBatch<K, V>(
  batch: OpenBatch,
  deserializers: Deserializers<K, V>,
  stats: ConsumerStats,
): ConsumerBatch<K, V> {
  const { partition: from, highWatermark } = batch
  const { topic, partition } = from
  const left = batch.index === 0 ? batch.records : batch.records.slice(batch.index)
  const isPlain = deserializers.key === undefined && deserializers.value === undefined
  const deserialize = (record: DecodedRecord): BatchRecord<K, V> => {
    const { offset, timestamp, headers } = record
    const key = deserialized(deserializers.key, record.key, topic, partition, offset)
    const value = deserialized(deserializers.value, record.value, topic, partition, offset)
    return { offset, timestamp, key, value, headers }
  }
  const records = isPlain ? (left as readonly BatchRecord<unknown, unknown>[]) : left.map(deserialize)
  batch.index = batch.records.length
  from.position = batch.nextOffset
  stats.recordsConsumed += left.length
  return { topic, partition, records: records as readonly BatchRecord<K, V>[], highWatermark }
}

/** Without a deserializer the bytes are what the application gets: the type parameters then say so. */
function deserialized<T>(
  deserializer: Deserializers<T, T>['key'],
  bytes: Uint8Array | null,
  topic: string,
  partition: number,
  offset: number,
): T {
  return deserializer === undefined ? (bytes as T) : deserializer(bytes, { topic, partition, offset })
}
