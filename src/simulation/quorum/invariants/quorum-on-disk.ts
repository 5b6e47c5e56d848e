/**
 * A leader calls committed only an entry of its own term that is on the disks of a quorum, of both quorums during a
 * change (Ongaro and Ousterhout 2014, sections 5.4.2 and 6). Its own disk counts like any other.
 */
import { hasQuorum } from '../../../raft/quorum-math.ts'
import type { Configuration } from '../../../raft/types.ts'
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'committed is on a quorum of disks'

interface Seen {
  readonly commitIndex: number
  readonly configuration: Configuration
}

export class QuorumOnDisk implements Invariant {
  readonly #holds: (id: NodeId, index: number, term: number) => boolean
  readonly #seen = new Map<NodeId, Seen>()
  /** Everything up to here was found on a quorum before. */
  #checkedIndex = 0

  /** `holds`: whether the disk of `id` has that entry, or had it before an accident that the cluster must survive. */
  constructor(holds: (id: NodeId, index: number, term: number) => boolean) {
    this.#holds = holds
  }

  started(member: MemberView): void {
    this.#seen.set(member.id, seenOf(member))
  }

  stepped(member: MemberView): void {
    const { id, raft } = member
    const before = this.#seen.get(id)!
    const { log, term, configurations } = raft
    if (log.commitIndex === before.commitIndex && configurations.current === before.configuration) return
    this.#seen.set(id, seenOf(member))
    const index = log.commitIndex
    if (raft.role.kind !== 'leader' || index === before.commitIndex || index <= this.#checkedIndex) return
    this.#checkedIndex = index
    const committed = log.termAt(index)
    hold(committed === term, name, () => `leader ${id} of term ${term} commits ${index} of term ${committed}`)
    // Counted with the configuration from before the step: the commit itself may have ended it.
    const isHeld = hasQuorum(before.configuration, voter => this.#holds(voter, index, term))
    const { voters, oldVoters } = before.configuration
    hold(isHeld, name, () => `${index} of term ${term}, committed by ${id}, with [${voters}|${oldVoters}]`)
  }
}

function seenOf({ raft: { log, configurations } }: MemberView): Seen {
  return { commitIndex: log.commitIndex, configuration: configurations.current }
}
