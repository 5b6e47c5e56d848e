import { defineApi } from '../api.ts'
import {
  configEntry,
  errorCodeField,
  errorMessageField,
  limits,
  nodeIds,
  sessionField,
  topicField,
  topicId,
} from '../common.ts'
import { array, boolean, field, int16, int32, nullable, struct } from '../schema.ts'

export const createTopics = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: [0, 0],
  doc: 'Creates topics. Each topic is created or refused on its own.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log.'),
    validateOnly: field(boolean, 'Check, and create nothing.'),
    topics: field(
      array(
        struct({
          name: topicField,
          numPartitions: field(int32, 'Partitions; -1 for num.partitions.'),
          replicationFactor: field(int16, 'Replicas of each; -1 for default.replication.factor.'),
          assignments: field(
            nullable(array(nodeIds, { countMax: limits.items })),
            'Replicas of each partition, or nil to let the controller place them; then numPartitions and replicationFactor must be -1.',
          ),
          configs: field(
            array(configEntry, { countMax: limits.items }),
            'Topic configs that differ from the defaults.',
          ),
        }),
        { countMax: limits.items },
      ),
      'Topics to create.',
    ),
  }),
  response: struct({
    topics: field(
      array(
        struct({
          name: topicField,
          topicId: field(nullable(topicId), 'Its id; nil on error.'),
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
          numPartitions: field(int32, 'Partitions; -1 on error.'),
          replicationFactor: field(int16, 'Replicas; -1 on error.'),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
