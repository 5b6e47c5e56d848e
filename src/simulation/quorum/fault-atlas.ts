/**
 * Which disks may be damaged or lost: never so many that a quorum's data has no good copy left, else the loss is what
 * Raft allows and a check of it is void (after TigerBeetle's VOPR). A member whose disk was hit counts as lost until it
 * was removed from the configuration and added again with what it has then.
 */
import type { NodeId } from '../../util/numbers.ts'
import type { Cluster } from './cluster.ts'
import type { Operator } from './operator.ts'

export class FaultAtlas {
  readonly #cluster: Cluster
  readonly #operator: Pick<Operator, 'changing'>

  constructor(cluster: Cluster, operator: Pick<Operator, 'changing'>) {
    this.#cluster = cluster
    this.#operator = operator
  }

  get hasImpaired(): boolean {
    for (const member of this.#cluster.members.values()) if (member.isImpaired) return true
    return false
  }

  /**
   * True when what is left without `id` and those hit before it is still a majority, and nothing is changing; a majority also
   * after each change that was asked for. A single voter that takes in a second one, whose disk is lost on the way, would
   * wait for it for ever.
   */
  mayImpair(id: NodeId): boolean {
    const leader = this.#cluster.leader()
    if (leader === null || this.#cluster.member(id).isImpaired) return false
    const { configurations, log } = leader.raft
    const { voters, oldVoters } = configurations.current
    const isSettled = oldVoters.length === 0 && configurations.currentIndex <= log.commitIndex
    // A leader that is behind may not know of a later change.
    if (!isSettled || log.commitIndex < this.#cluster.checks.committed.highestIndex) return false
    const changed = this.#operator.changing.map(member =>
      voters.includes(member) ? voters.filter(voter => voter !== member) : [...voters, member],
    )
    return [voters, ...changed].every(some => {
      const good = some.filter(voter => voter !== id && !this.#cluster.member(voter).isImpaired)
      return good.length * 2 > some.length
    })
  }
}
