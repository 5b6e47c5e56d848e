import { defineApi } from '../api.ts'
import { limits, nodeIds, partitionField, readTimeoutField, topicField, topicName } from '../common.ts'
import { array, field, nullable, struct } from '../schema.ts'

export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: [0, 1],
  doc: 'Moves of partitions that are under way (KIP-455).',
  request: struct({
    topics: field(nullable(array(topicName, { countMax: limits.items })), 'Of these topics; nil: of all.'),
    readTimeoutMs: readTimeoutField,
  }),
  response: struct({
    partitions: field(
      array(
        struct({
          topic: topicField,
          partition: partitionField,
          replicas: field(nodeIds, 'All replicas as they are now.'),
          addingReplicas: field(nodeIds, 'Those being added.'),
          removingReplicas: field(nodeIds, 'Those that will be removed.'),
        }),
        { countMax: limits.responseItems },
      ),
      'Sorted by topic and partition.',
    ),
  }),
})
