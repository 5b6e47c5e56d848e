import { defineApi } from '../api.ts'
import { errorCodeField, limits, partitionField, recordBatches, topicId } from '../common.ts'
import { array, boolean, field, int32, int64, struct, uint31 } from '../schema.ts'

export const appendEntries = defineApi({
  key: 1004,
  name: 'AppendEntries',
  versions: [0, 0],
  doc: 'A leader pushes what it appended to one of its followers, for many partitions at once; without batches it probes where a follower stands, or tells it of a new high watermark. Answered when what was appended is as safe on the follower as flush.policy asks.',
  request: struct({
    leaderId: field(uint31, 'Who sends.'),
    brokerEpoch: field(int64, 'Of its registration.'),
    partitions: field(
      array(
        struct({
          topicId: field(topicId, 'Topic id.'),
          partition: partitionField,
          leaderEpoch: field(int32, 'Epoch in which the sender leads the partition.'),
          fromOffset: field(int64, 'Where batches begin: the follower must have everything below it.'),
          prevEpoch: field(
            int32,
            'Leader epoch of the record before fromOffset; -1 when the log of the leader begins there.',
          ),
          highWatermark: field(int64, 'End of what is committed (exclusive).'),
          logStartOffset: field(int64, 'First offset still in the log of the leader.'),
          batches: field(recordBatches, 'Record batches as the leader stored them, back to back; possibly none.'),
        }),
        { countMax: limits.items },
      ),
      'At most one item for each partition.',
    ),
  }),
  response: struct({
    brokerEpoch: field(int64, 'Of the registration of the follower.'),
    partitions: field(
      array(
        struct({
          errorCode: errorCodeField,
          isMatch: field(boolean, 'The follower has the same log up to fromOffset, and took the batches.'),
          endOffset: field(
            int64,
            'With isMatch, end of what the follower has durably and in common with the leader (exclusive). Without, end of the epoch hintEpoch in its log: the two logs may agree up to there. -1 on error.',
          ),
          hintEpoch: field(
            int32,
            'Without isMatch: the newest epoch not above prevEpoch in the log of the follower; -1 for none.',
          ),
        }),
        { countMax: limits.items },
      ),
      'In the order of the request. NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR, DISK_FULL.',
    ),
  }),
})
