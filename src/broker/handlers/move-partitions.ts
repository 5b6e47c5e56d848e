/**
 * ElectLeaders, AlterPartitionReassignments, DrainBroker: what an operator does about who holds and who leads partitions.
 * Decided by the active controller; forwarded to it.
 */
import { alterPartitionReassignments, drainBroker, electLeaders } from '../../protocol/apis/index.ts'
import type { Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardedAlter } from './forwarded.ts'

export const electLeadersHandler = (broker: BrokerRuntime): Handler => forwardedAlter(broker, electLeaders)
export const alterPartitionReassignmentsHandler = (broker: BrokerRuntime): Handler =>
  forwardedAlter(broker, alterPartitionReassignments)
export const drainBrokerHandler = (broker: BrokerRuntime): Handler => forwardedAlter(broker, drainBroker)
