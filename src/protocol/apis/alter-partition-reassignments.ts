import { defineApi } from '../api.ts'
import {
  errorCodeField,
  errorMessageField,
  limits,
  nodeIds,
  partitionField,
  sessionField,
  topicField,
} from '../common.ts'
import { array, field, int32, nullable, struct } from '../schema.ts'

export const alterPartitionReassignments = defineApi({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: [0, 0],
  doc: 'Moves partitions to other brokers (KIP-455): the new replicas are added, catch up, and then take the place of the old ones.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log; not for the move.'),
    partitions: field(
      array(
        struct({
          topic: topicField,
          partition: partitionField,
          replicas: field(
            nullable(nodeIds),
            'Replicas in the end, the preferred leader first; nil: cancel the move under way.',
          ),
        }),
        { countMax: limits.items },
      ),
      'Partitions to move.',
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
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request. INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS.',
    ),
  }),
})
