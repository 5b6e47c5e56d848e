import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, nodeIds, sessionField, topicField } from '../common.ts'
import { array, boolean, field, int32, nullable, struct } from '../schema.ts'

export const createPartitions = defineApi({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 0],
  doc: 'Adds partitions to topics. Keys will map to other partitions from then on.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log.'),
    validateOnly: field(boolean, 'Check, and change nothing.'),
    topics: field(
      array(
        struct({
          name: topicField,
          count: field(int32, 'Partitions the topic shall have in the end.'),
          assignments: field(
            nullable(array(nodeIds, { countMax: limits.items })),
            'Replicas of the new partitions, or nil.',
          ),
        }),
        { countMax: limits.items },
      ),
      'Topics to grow.',
    ),
  }),
  response: struct({
    topics: field(
      array(struct({ name: topicField, errorCode: errorCodeField, errorMessage: errorMessageField }), {
        countMax: limits.responseItems,
      }),
      'In the order of the request.',
    ),
  }),
})
