/** Takes a member out of the configuration, the leader itself included: it leads until it is out, and then leaves. */
import { ApiError } from '../protocol/errors.ts'
import { isMember } from '../raft/configuration.ts'
import type { NodeId } from '../util/numbers.ts'
import { refused } from './add-voter.ts'
import { isSettled, type Outcome, type Task, type TaskCore, whyNotNow } from './membership-task.ts'
import { notLeader } from './refusals.ts'

export class RemoveVoter implements Task<void> {
  readonly #id: NodeId
  #wasMember = false
  /** This leader has begun the change: a later one may end it. */
  #hasBegun = false

  constructor(id: NodeId) {
    this.#id = id
  }

  advance(core: TaskCore): Outcome<void> {
    const { raft } = core
    const { current } = raft.configurations
    if (isMember(current, this.#id)) this.#wasMember = true
    else if (isSettled(raft)) return this.#wasMember ? { value: undefined } : this.#notFound()
    if (raft.role.kind !== 'leader') return { error: this.#hasBegun ? this.#open() : notLeader(raft) }
    const reason = whyNotNow(raft)
    if (reason !== null) return reason
    const isOther = (id: NodeId): boolean => id !== this.#id
    const voters = current.voters.filter(isOther)
    if (voters.length === 0) {
      return { error: new ApiError('INVALID_REQUEST', `Node ${this.#id} is the only voter; nobody would decide.`) }
    }
    const refusal = core.ask({ kind: 'changeMembership', voters, learners: current.learners.filter(isOther) })
    if (refusal !== null) return refused(refusal)
    this.#hasBegun = true
    return 'The change of members is not committed yet.'
  }

  /** `NOT_CONTROLLER` would say that nothing was done, and whoever asks again could be told that there is no such voter. */
  #open(): ApiError {
    const text = `The leadership was lost while node ${this.#id} was being removed; it may or may not be done.`
    return new ApiError('REQUEST_TIMED_OUT', text)
  }

  #notFound(): Outcome<void> {
    return { error: new ApiError('VOTER_NOT_FOUND', `Node ${this.#id} is no voter.`) }
  }
}
