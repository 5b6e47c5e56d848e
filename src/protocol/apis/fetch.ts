import { defineApi } from '../api.ts'
import {
  errorCodeField,
  errorMessageField,
  isolationLevel,
  leaderEpochField,
  limits,
  partitionField,
  recordsOut,
  topicField,
  topicIdField,
} from '../common.ts'
import { array, field, int32, int64, nullable, oneOf, string, struct } from '../schema.ts'

export const fetch = defineApi({
  key: 1,
  name: 'Fetch',
  versions: [0, 2],
  doc: 'A long poll: answers as soon as minBytes are there, or an error is, or maxWaitMs is over. Only records below the high watermark are returned. The first batch is returned whole even if it is larger than the limits; the first batch of an answer may begin before fetchOffset.',
  request: struct({
    maxWaitMs: field(int32, 'Longest wait for minBytes.'),
    minBytes: field(int32, 'Answer once this many bytes are there.'),
    maxBytes: field(int32, 'Limit of the whole answer.'),
    isolationLevel: field(isolationLevel, '0: read uncommitted; 1: read committed.'),
    format: field(oneOf('batches', 'records'), 'Record batches (bin), or plain records (array).'),
    partitions: field(
      array(
        struct({
          topic: topicField,
          topicId: topicIdField,
          partition: partitionField,
          leaderEpoch: leaderEpochField,
          fetchOffset: field(int64, 'First offset wanted.'),
          maxBytes: field(int32, 'Limit for this partition.'),
          lastFetchedEpoch: field(
            int32,
            'Leader epoch of the record before fetchOffset, as the reader got it; -1: unknown. With it the reader learns when its records are not the log any more.',
            { since: 2, whenAbsent: -1 },
          ),
        }),
        { countMax: limits.items },
      ),
      'What to read. When maxBytes is not enough for all, which one is first changes from answer to answer.',
    ),
    rack: field(
      nullable(string({ lengthMax: limits.rackLength })),
      'Rack of the reader: a leader may name a nearer replica, and a follower serves what it knows to be committed (KIP-392). nil: leaders only.',
      { since: 1, whenAbsent: null },
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
          highWatermark: field(int64, 'End of what may be read (exclusive); -1 on error.'),
          lastStableOffset: field(int64, 'End of what read committed may read (exclusive); -1 on error.'),
          logStartOffset: field(int64, 'First offset still in the log; -1 on error.'),
          records: field(recordsOut, 'What was asked for, possibly empty.'),
          preferredReadReplica: field(int32, 'A nearer replica to read from, instead of records; -1 for none.', {
            since: 1,
            whenAbsent: -1,
          }),
          divergingEpoch: field(
            nullable(
              struct({
                epoch: field(
                  int32,
                  'Newest leader epoch, at or below lastFetchedEpoch, of what the log has before fetchOffset; -1 for none.',
                ),
                endOffset: field(int64, 'Where it ends (exclusive).'),
              }),
            ),
            'Instead of records: what the reader has before fetchOffset is not in the log, cut off after an unclean election (KIP-595). It goes on where the two were still the same, not above endOffset. nil: nothing is wrong.',
            { since: 2, whenAbsent: null },
          ),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
