/** What the listener for other nodes serves of the controller: what it answers as the active one, and nothing else. */
import {
  addRaftVoter,
  alterConfigs,
  alterPartition,
  alterPartitionReassignments,
  brokerHeartbeat,
  brokerRegistration,
  createPartitions,
  createTopics,
  deleteTopics,
  describeQuorum,
  drainBroker,
  electLeaders,
  readIndex,
  removeRaftVoter,
  transferLeadership,
} from '../protocol/apis/index.ts'
import { ApiError } from '../protocol/errors.ts'
import { defineHandler, type Handler } from '../transport/handler.ts'
import type { Controller } from './types.ts'

/** Whoever forwards has authorised the request: its listener knows the client. */
const served = [
  createTopics,
  deleteTopics,
  createPartitions,
  alterConfigs,
  electLeaders,
  alterPartitionReassignments,
  drainBroker,
  describeQuorum,
  brokerRegistration,
  brokerHeartbeat,
  alterPartition,
  readIndex,
  addRaftVoter,
  removeRaftVoter,
  transferLeadership,
] as const

/** `controller` is `null` until it is open: the listener is there before, so that a quorum can form at all. */
export function controllerHandlers(controller: () => Pick<Controller, 'answer'> | null): Handler[] {
  return served.map(api =>
    defineHandler<unknown, unknown>(api as never, body => {
      const open = controller()
      if (open === null) throw new ApiError('NOT_CONTROLLER', 'This node is starting.')
      return open.answer<unknown, unknown>(api as never, body)
    }),
  )
}
