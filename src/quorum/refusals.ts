/** What the core refuses, as errors that say who leads. */
import { ApiError, type ErrorName } from '../protocol/errors.ts'
import type { Refusal } from '../raft/input-effect.ts'
import { leaderIdOf, type Raft } from '../raft/state.ts'

const names: Record<Refusal, ErrorName> = {
  notLeader: 'NOT_CONTROLLER',
  transferring: 'NOT_CONTROLLER',
  notReady: 'NOT_CONTROLLER',
  tooManyUncommittedBytes: 'BROKER_OVERLOADED',
  changeUnderWay: 'INVALID_REQUEST',
  badTarget: 'INVALID_REQUEST',
}

export function refusalError(reason: Refusal, raft: Raft): ApiError {
  if (reason === 'transferring')
    return new ApiError('NOT_CONTROLLER', `Node ${raft.id} is handing over its leadership.`)
  return reason === 'notLeader' ? notLeader(raft) : new ApiError(names[reason])
}

export function notLeader(raft: Raft): ApiError {
  const leaderId = leaderIdOf(raft)
  const isOther = leaderId !== null && leaderId !== raft.id
  const who = isOther ? `node ${leaderId} does` : 'it knows of nobody who does'
  return new ApiError('NOT_CONTROLLER', `Node ${raft.id} does not lead the quorum: ${who}.`)
}
