/** How proposals become entries and what is applied becomes their answers: as they are, or in sessions. */
import { ApiError } from '../../protocol/errors.ts'
import { checkSession, encodeSessionEntry, type SessionAnswer, SessionMachine } from './sessions.ts'
import type { RaftOptions, RaftSession, RaftStateMachine } from './types.ts'

export interface ProposalCodec<Result> {
  /** What the quorum replicates. */
  readonly machine: RaftStateMachine<unknown>
  /** Throws `ApiError` `INVALID_REQUEST` for a session that is none, or that nobody would look at. */
  encode(data: Uint8Array, session: RaftSession | null): Uint8Array
  /** Throws `ApiError` `INVALID_REQUEST` when the answer is forgotten. */
  answerOf(answered: unknown): Result
}

const clientsMaxDefault = 10_000

export function proposalCodec<Result>({ stateMachine, sessions }: RaftOptions<Result>): ProposalCodec<Result> {
  if (sessions === undefined || sessions === false) return plainCodec(stateMachine)
  const clientsMax = (sessions === true ? undefined : sessions.clientsMax) ?? clientsMaxDefault
  return sessionCodec(stateMachine, clientsMax)
}

function plainCodec<Result>(machine: RaftStateMachine<Result>): ProposalCodec<Result> {
  return {
    machine,
    encode(data, session) {
      if (session !== null) throw new ApiError('INVALID_REQUEST', 'This group was founded without sessions.')
      return data
    },
    answerOf: answered => answered as Result,
  }
}

function sessionCodec<Result>(machine: RaftStateMachine<Result>, clientsMax: number): ProposalCodec<Result> {
  return {
    machine: new SessionMachine(machine, clientsMax),
    encode(data, session) {
      if (session !== null) checkSession(session)
      return encodeSessionEntry(data, session)
    },
    answerOf(answered) {
      const answer = answered as SessionAnswer<Result>
      if (answer.kind === 'answer') return answer.answer
      const message = 'The client has asked something newer since; what became of this request is forgotten.'
      throw new ApiError('INVALID_REQUEST', message)
    },
  }
}
