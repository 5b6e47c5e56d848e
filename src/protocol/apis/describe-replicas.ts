import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, partitionField, topicField, topicIdField } from '../common.ts'
import { array, boolean, field, int32, int64, struct } from '../schema.ts'

export const describeReplicas = defineApi({
  key: 1012,
  name: 'DescribeReplicas',
  versions: [0, 0],
  doc: 'How far each replica of partitions has come, as their leader knows it.',
  request: struct({
    partitions: field(
      array(struct({ topic: topicField, topicId: topicIdField, partition: partitionField }), {
        countMax: limits.items,
      }),
      'Partitions this node leads.',
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
          leaderEpoch: field(int32, 'Epoch of the leader; -1 on error.'),
          logStartOffset: field(int64, 'First offset still in the log; -1 on error.'),
          highWatermark: field(int64, 'End of what is committed (exclusive); -1 on error.'),
          logEndOffset: field(int64, 'End of the log of the leader (exclusive); -1 on error.'),
          replicas: field(
            array(
              struct({
                nodeId: field(int32, 'Replica.'),
                endOffset: field(int64, 'End of what it has acknowledged (exclusive); -1: nothing yet in this epoch.'),
                isInSync: field(boolean, 'In the ISR.'),
                caughtUpAgoMs: field(int64, 'Since it last had everything; -1: never in this epoch.'),
              }),
              { countMax: limits.replicas },
            ),
            'All replicas, the leader among them; none on error.',
          ),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
