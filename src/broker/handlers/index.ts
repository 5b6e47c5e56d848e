/** Every request a broker serves. `ApiVersions` is answered by the transport, from this list. */
import type { Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { alterConfigsHandler } from './alter-configs.ts'
import { addRaftVoterHandler, removeRaftVoterHandler, transferLeadershipHandler } from './change-quorum.ts'
import { createPartitionsHandler } from './create-partitions.ts'
import { createTopicsHandler } from './create-topics.ts'
import { deleteRecordsHandler } from './delete-records.ts'
import { deleteTopicsHandler } from './delete-topics.ts'
import { describeClusterHandler } from './describe-cluster.ts'
import { describeConfigsHandler } from './describe-configs.ts'
import { describeQuorumHandler } from './describe-quorum.ts'
import { describeReplicasHandler } from './describe-replicas.ts'
import { fetchHandler } from './fetch.ts'
import { listOffsetsHandler } from './list-offsets.ts'
import { listPartitionReassignmentsHandler } from './list-partition-reassignments.ts'
import { metadataHandler } from './metadata.ts'
import { alterPartitionReassignmentsHandler, drainBrokerHandler, electLeadersHandler } from './move-partitions.ts'
import { produceHandler } from './produce.ts'

const factories = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  createTopicsHandler,
  deleteTopicsHandler,
  createPartitionsHandler,
  deleteRecordsHandler,
  describeConfigsHandler,
  alterConfigsHandler,
  describeClusterHandler,
  describeReplicasHandler,
  electLeadersHandler,
  alterPartitionReassignmentsHandler,
  listPartitionReassignmentsHandler,
  drainBrokerHandler,
  describeQuorumHandler,
  addRaftVoterHandler,
  removeRaftVoterHandler,
  transferLeadershipHandler,
] as const

export function brokerHandlers(broker: BrokerRuntime): readonly Handler[] {
  return factories.map(factory => factory(broker))
}
