import { defineApi } from '../api.ts'
import {
  errorCodeField,
  errorMessageField,
  isolationLevel,
  leaderEpochField,
  limits,
  partitionField,
  topicField,
  topicIdField,
} from '../common.ts'
import { array, field, int32, int64, struct } from '../schema.ts'

/** Special values of `timestamp`, as in Kafka. */
export const latestTimestamp = -1
export const earliestTimestamp = -2

export const listOffsets = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: [0, 0],
  doc: 'Finds offsets: the start, the end, or the first record at or after a time.',
  request: struct({
    isolationLevel: field(isolationLevel, '0: the end is the high watermark; 1: the last stable offset.'),
    partitions: field(
      array(
        struct({
          topic: topicField,
          topicId: topicIdField,
          partition: partitionField,
          leaderEpoch: leaderEpochField,
          timestamp: field(int64, 'Milliseconds since 1970; -1: the end; -2: the start.'),
        }),
        { countMax: limits.items },
      ),
      'What to look up.',
    ),
  }),
  response: struct({
    partitions: field(
      array(
        struct({
          topic: topicField,
          partition: partitionField,
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
          offset: field(int64, 'The offset; -1 when no record is that young.'),
          timestamp: field(int64, 'Timestamp of that record; -1 for start and end.'),
          leaderEpoch: field(int32, 'Epoch of the leader that wrote the record; -1 when there is none.'),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
