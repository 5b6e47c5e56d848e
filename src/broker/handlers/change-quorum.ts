/** AddRaftVoter, RemoveRaftVoter, TransferLeadership: done by the active controller; forwarded to it. */
import { addRaftVoter, removeRaftVoter, transferLeadership } from '../../protocol/apis/index.ts'
import type { Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { forwardedAlter } from './forwarded.ts'

export const addRaftVoterHandler = (broker: BrokerRuntime): Handler => forwardedAlter(broker, addRaftVoter)
export const removeRaftVoterHandler = (broker: BrokerRuntime): Handler => forwardedAlter(broker, removeRaftVoter)
export const transferLeadershipHandler = (broker: BrokerRuntime): Handler => forwardedAlter(broker, transferLeadership)
