import { defineApi } from '../api.ts'
import {
  errorCodeField,
  limits,
  nodeIds,
  partitionField,
  readTimeoutField,
  topicField,
  topicId,
  topicName,
} from '../common.ts'
import { array, boolean, field, int32, nullable, string, struct } from '../schema.ts'

export const metadata = defineApi({
  key: 3,
  name: 'Metadata',
  versions: [0, 2],
  doc: 'Brokers, topics and who leads which partition, as this node has seen them committed, or as they are now.',
  request: struct({
    topics: field(nullable(array(topicName, { countMax: limits.items })), 'Topics to describe; nil for all.'),
    allowAutoTopicCreation: field(boolean, 'Create missing topics when auto.create.topics.enable is on.'),
    readTimeoutMs: readTimeoutField,
  }),
  response: struct({
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id.'),
    controllerId: field(int32, 'Active controller; -1 when this node knows none.'),
    brokers: field(
      array(
        struct({
          nodeId: field(int32, 'Broker.'),
          url: field(string({ lengthMax: limits.urlLength }), 'Where clients reach it.'),
          rack: field(nullable(string({ lengthMax: limits.rackLength })), 'Its rack.'),
        }),
        { countMax: limits.responseItems },
      ),
      'Brokers that are not fenced.',
    ),
    topics: field(
      array(
        struct({
          errorCode: errorCodeField,
          name: topicField,
          topicId: field(nullable(topicId), 'Topic id; nil on error.'),
          isInternal: field(boolean, 'Kept by the cluster for itself.'),
          partitions: field(
            array(
              struct({
                errorCode: errorCodeField,
                partition: partitionField,
                leaderId: field(int32, 'Leader; -1 for none.'),
                leaderEpoch: field(int32, 'Its epoch.'),
                replicas: field(nodeIds, 'All replicas, the preferred leader first.'),
                isr: field(nodeIds, 'In-sync replicas.'),
                offlineReplicas: field(nodeIds, 'Replicas on fenced brokers, or on disks that failed them.'),
                elr: field(nodeIds, 'Eligible leader replicas (KIP-966).', { since: 2, whenAbsent: [] }),
                addingReplicas: field(nodeIds, 'Replicas a reassignment adds.', { since: 2, whenAbsent: [] }),
                removingReplicas: field(nodeIds, 'Replicas a reassignment removes.', { since: 2, whenAbsent: [] }),
              }),
              { countMax: limits.responseItems },
            ),
            'Partitions in order.',
          ),
        }),
        { countMax: limits.responseItems },
      ),
      'Topics asked for.',
    ),
  }),
})
