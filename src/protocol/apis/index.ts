import type { Api } from '../api.ts'
import { addRaftVoter } from './add-raft-voter.ts'
import { alterConfigs } from './alter-configs.ts'
import { alterPartition } from './alter-partition.ts'
import { alterPartitionReassignments } from './alter-partition-reassignments.ts'
import { apiVersions } from './api-versions.ts'
import { appendEntries } from './append-entries.ts'
import { brokerHeartbeat } from './broker-heartbeat.ts'
import { brokerRegistration } from './broker-registration.ts'
import { createPartitions } from './create-partitions.ts'
import { createTopics } from './create-topics.ts'
import { deleteRecords } from './delete-records.ts'
import { deleteTopics } from './delete-topics.ts'
import { describeCluster } from './describe-cluster.ts'
import { describeConfigs } from './describe-configs.ts'
import { describeQuorum } from './describe-quorum.ts'
import { describeReplicas } from './describe-replicas.ts'
import { drainBroker } from './drain-broker.ts'
import { electLeaders } from './elect-leaders.ts'
import { fetch } from './fetch.ts'
import { introduce } from './introduce.ts'
import { listOffsets } from './list-offsets.ts'
import { listPartitionReassignments } from './list-partition-reassignments.ts'
import { metadata } from './metadata.ts'
import { produce } from './produce.ts'
import { raftMessages } from './raft-messages.ts'
import { readIndex } from './read-index.ts'
import { removeRaftVoter } from './remove-raft-voter.ts'
import { snapshotChunk } from './snapshot-chunk.ts'
import { transferLeadership } from './transfer-leadership.ts'

/** Every request of the client protocol. What is not here does not exist. */
export const apis = [
  apiVersions,
  produce,
  fetch,
  listOffsets,
  metadata,
  createTopics,
  deleteTopics,
  createPartitions,
  deleteRecords,
  describeConfigs,
  alterConfigs,
  describeCluster,
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
  drainBroker,
  describeQuorum,
  addRaftVoter,
  removeRaftVoter,
  transferLeadership,
] as const satisfies readonly Api[]

/** What nodes ask of each other only; on their listener, next to what they forward of the requests above. */
export const peerApis = [
  introduce,
  raftMessages,
  snapshotChunk,
  readIndex,
  brokerRegistration,
  brokerHeartbeat,
  appendEntries,
  alterPartition,
] as const satisfies readonly Api[]

export {
  addRaftVoter,
  alterConfigs,
  alterPartition,
  alterPartitionReassignments,
  apiVersions,
  appendEntries,
  brokerHeartbeat,
  brokerRegistration,
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeQuorum,
  describeReplicas,
  drainBroker,
  electLeaders,
  fetch,
  introduce,
  listOffsets,
  listPartitionReassignments,
  metadata,
  produce,
  raftMessages,
  readIndex,
  removeRaftVoter,
  snapshotChunk,
  transferLeadership,
}
