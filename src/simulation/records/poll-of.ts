/** A batch that a consumer was given, as a step of its history. Values are integers as text. */
import type { ConsumerBatch } from '../../client/consumer/types.ts'
import type { PollStep } from './operations.ts'

const decoder = new TextDecoder()

export function pollOf({ topic, partition, records, highWatermark }: ConsumerBatch): PollStep {
  return {
    kind: 'poll',
    partition: `${topic}-${partition}`,
    offsets: records.map(({ offset }) => offset),
    values: records.map(({ value }) => Number.parseInt(decoder.decode(value!), 10)),
    highWatermark,
  }
}
