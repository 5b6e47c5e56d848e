/** Hands leadership over (thesis, section 3.10), and finds out who got it. */
import { ApiError } from '../protocol/errors.ts'
import { type Leader, leaderIdOf, type Raft } from '../raft/state.ts'
import type { NodeId, Term } from '../util/numbers.ts'
import type { Outcome, Task, TaskCore } from './membership-task.ts'
import { notLeader, refusalError } from './refusals.ts'

export class TransferLeadership implements Task<NodeId> {
  readonly #to: NodeId | null
  /** In which the core was asked; `null` until it was. */
  #term: Term | null = null

  /** `null`: to whoever has most. */
  constructor(to: NodeId | null) {
    this.#to = to
  }

  advance(core: TaskCore): Outcome<NodeId> {
    const { raft } = core
    if (raft.role.kind === 'leader') {
      if (this.#term === null) return this.#ask(core, raft.role)
      // It was elected again: nobody else leads.
      if (this.#term !== raft.term) return { value: raft.id }
      if (raft.role.transfer !== null) return 'The other node has not taken over yet.'
      return { error: new ApiError('REQUEST_TIMED_OUT', `The other node did not take over; node ${raft.id} leads on.`) }
    }
    if (this.#term === null) return { error: notLeader(raft) }
    const leaderId = leaderIdOf(raft)
    return leaderId === null ? 'Nobody leads yet.' : { value: leaderId }
  }

  #ask(core: TaskCore, leader: Leader): Outcome<NodeId> {
    const { raft } = core
    if (this.#to === raft.id) return { value: raft.id }
    const { voters } = raft.configurations.current
    if (this.#to !== null && !voters.includes(this.#to)) {
      return { error: new ApiError('VOTER_NOT_FOUND', `Node ${this.#to} is no voter.`) }
    }
    const to = this.#to ?? successorOf(raft, leader)
    if (to === null) return { error: new ApiError('INVALID_REQUEST', 'There is no other voter that could lead.') }
    if (leader.transfer !== null) return 'The leadership is being handed over already.'
    const refusal = core.ask({ kind: 'transfer', to })
    if (refusal !== null) return { error: refusalError(refusal, raft) }
    this.#term = raft.term
    return 'The other node has not taken over yet.'
  }
}

/** The voter that has most of those heard within an election timeout. */
function successorOf(raft: Raft, leader: Leader): NodeId | null {
  let best: NodeId | null = null
  let bestIndex = -1
  for (const id of raft.configurations.current.voters) {
    const progress = leader.progress.get(id)
    if (progress === undefined || progress.lastHeardTick < raft.tick - raft.options.electionTimeoutTicks) continue
    if (progress.matchIndex <= bestIndex) continue
    best = id
    bestIndex = progress.matchIndex
  }
  return best
}
