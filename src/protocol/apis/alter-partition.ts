import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, nodeIds, partitionField, topicId } from '../common.ts'
import { array, field, int32, int64, struct, uint31 } from '../schema.ts'

export const alterPartition = defineApi({
  key: 56,
  name: 'AlterPartition',
  versions: [0, 0],
  doc: 'The leader of partitions asks for other in-sync replicas (KIP-497, KIP-903). Refused unless every epoch is the current one.',
  request: struct({
    nodeId: field(uint31, 'The leader.'),
    brokerEpoch: field(int64, 'Of its registration.'),
    partitions: field(
      array(
        struct({
          topicId: field(topicId, 'Topic id.'),
          partition: partitionField,
          leaderEpoch: field(int32, 'Epoch in which it leads.'),
          partitionEpoch: field(int32, 'Of what it knows of the partition.'),
          newIsr: field(
            array(
              struct({
                nodeId: field(uint31, 'A replica.'),
                brokerEpoch: field(int64, 'Of the registration under which it acknowledged what makes it in sync.'),
              }),
              { countMax: limits.replicas },
            ),
            'Who shall be in sync; the leader among them.',
          ),
        }),
        { countMax: limits.items },
      ),
      'Partitions it leads.',
    ),
  }),
  response: struct({
    partitions: field(
      array(
        struct({
          topicId: field(topicId, 'Topic id.'),
          partition: partitionField,
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
          leaderId: field(int32, 'Leader as it is now; -1 for none or on error.'),
          leaderEpoch: field(int32, 'Its epoch; -1 on error.'),
          isr: field(nodeIds, 'In-sync replicas as they are now.'),
          partitionEpoch: field(int32, 'Epoch of that; -1 on error.'),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request. INVALID_UPDATE_VERSION: also when the change was made and more than the ISR has changed; the metadata say what. INELIGIBLE_REPLICA: the partition epoch has risen, so that no copy of the request can succeed. FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER.',
    ),
  }),
})
