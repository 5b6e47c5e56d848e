/**
 * Makes a server a voter (thesis, section 4.2.1): as a learner it is fed without being counted, and it is promoted when it
 * has caught up so far that counting it costs nobody time.
 *
 *     unheard ──introduced──► heard ──learner, committed──► catching up ──round short enough──► joint ──► voter
 */
import { ApiError } from '../protocol/errors.ts'
import type { Refusal } from '../raft/input-effect.ts'
import type { Raft } from '../raft/state.ts'
import type { Member } from '../raft/types.ts'
import type { LogIndex, NodeId } from '../util/numbers.ts'
import { isSettled, type Outcome, type Task, type TaskCore, whyNotNow } from './membership-task.ts'
import type { Introduction } from './peer-port.ts'
import { notLeader } from './refusals.ts'

export class AddVoter implements Task<void> {
  readonly #id: NodeId
  readonly #url: string | null
  /** What the leader had when the current round of catching up began. */
  #round: { readonly lastIndex: LogIndex; readonly beganTick: number } | null = null

  /** `url`: where it is; `null` for wherever it says. */
  constructor(id: NodeId, url: string | null) {
    this.#id = id
    this.#url = url
  }

  advance(core: TaskCore): Outcome<void> {
    const { raft } = core
    const { current } = raft.configurations
    const peer = core.introductionOf(this.#id)
    const known = current.members?.find(member => member.id === this.#id)
    const isSame = peer === null || known === undefined || peer.diskId === known.diskId
    if (current.voters.includes(this.#id) && isSettled(raft)) return isSame ? { value: undefined } : this.#duplicate()
    if (raft.role.kind !== 'leader') return { error: notLeader(raft) }
    if (peer === null) return this.#unheard(known?.url ?? null)
    const reason = whyNotNow(raft)
    if (reason !== null) return reason
    const { voters, learners } = current
    const others = learners.filter(id => id !== this.#id)
    if (!learners.includes(this.#id)) {
      return this.#change(core, voters, [...others, this.#id], [this.#member(peer), core.own])
    }
    // Its disk was replaced while it was being added: somebody else, who begins anew.
    if (!isSame) return this.#change(core, voters, others, [])
    if (!this.#hasCaughtUp(raft)) return `Node ${this.#id} has not caught up yet.`
    return this.#change(core, [...voters, this.#id], others, [])
  }

  #change(
    core: TaskCore,
    voters: readonly NodeId[],
    learners: readonly NodeId[],
    members: readonly Member[],
  ): Outcome<void> {
    const refusal = core.ask({ kind: 'changeMembership', voters, learners, members })
    return refusal === null ? 'The change of members is not committed yet.' : refused(refusal)
  }

  #member({ diskId, url }: Introduction): Member {
    return { id: this.#id, diskId, url: this.#url ?? url }
  }

  /** `knownUrl`: of a learner that an earlier leader took in. */
  #unheard(knownUrl: string | null): Outcome<void> {
    const url = this.#url ?? knownUrl
    if (url !== null) return `Node ${this.#id} has not been reached at ${url}.`
    return { error: new ApiError('INVALID_REQUEST', `Node ${this.#id} has not introduced itself; say its URL.`) }
  }

  #duplicate(): Outcome<void> {
    const text = `A voter of number ${this.#id} with another disk is there already; remove it first.`
    return { error: new ApiError('DUPLICATE_VOTER', text) }
  }

  /** A round ends when it has what the leader had at its beginning; one within an election timeout is short enough. */
  #hasCaughtUp(raft: Raft): boolean {
    const progress = raft.role.kind === 'leader' ? raft.role.progress.get(this.#id) : undefined
    if (progress === undefined) return false
    const { tick, log, options } = raft
    this.#round ??= { lastIndex: log.lastIndex, beganTick: tick }
    if (progress.matchIndex < this.#round.lastIndex) return false
    if (tick - this.#round.beganTick <= options.electionTimeoutTicks) return true
    this.#round = { lastIndex: log.lastIndex, beganTick: tick }
    return false
  }
}

/** Most refusals pass by themselves. */
export function refused(reason: Refusal): Outcome<never> {
  if (reason !== 'badTarget') return 'The leader is busy with another change.'
  return { error: new ApiError('INVALID_REQUEST', 'The configuration that would follow names no valid members.') }
}
