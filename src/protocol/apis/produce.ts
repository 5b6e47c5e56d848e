import { defineApi } from '../api.ts'
import {
  errorCodeField,
  errorMessageField,
  leaderEpochField,
  limits,
  partitionField,
  recordsIn,
  topicField,
  topicIdField,
} from '../common.ts'
import { array, field, int16, int32, int64, struct } from '../schema.ts'

export const produce = defineApi({
  key: 0,
  name: 'Produce',
  versions: [0, 1],
  doc: 'Appends records to partitions. With acks 0 there is no answer. Requests of one connection are appended in the order they were sent. Each partition is accepted or refused whole.',
  request: struct({
    acks: field(
      int16,
      '0: do not answer; 1: the leader has it; -1: all in-sync replicas have it. “Has it” means on disk when log.flush.policy=sync.',
    ),
    timeoutMs: field(int32, 'How long to wait for acks before REQUEST_TIMED_OUT.'),
    partitions: field(
      array(
        struct({
          topic: topicField,
          topicId: topicIdField,
          partition: partitionField,
          leaderEpoch: leaderEpochField,
          records: field(recordsIn, 'One record batch (bin), or plain records (array).'),
          sendEpoch: field(
            int32,
            'A number of the sender’s that rises whenever it takes back something of this partition to send it again; never used by it before, for any partition. Once a batch of this connection was refused, those in the same or a lower send epoch are refused with OPERATION_NOT_ATTEMPTED, so that order holds with several requests in flight. -1: order is not asked for.',
            { since: 1, whenAbsent: -1 },
          ),
        }),
        { countMax: limits.items },
      ),
      'What to append, per partition.',
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
          baseOffset: field(int64, 'Offset of the first record; -1 on error.'),
          logAppendTimeMs: field(int64, 'The broker’s time when message.timestamp.type=LogAppendTime, else -1.'),
          logStartOffset: field(int64, 'First offset still in the log; -1 on error.'),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
