/** Who runs the cluster: changes its members, hands over leadership, and replaces what is lost. One thing at a time. */
import type { Quorum } from '../../quorum/types.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Cluster } from './cluster.ts'
import { urlOf } from './sim-network.ts'

const timeoutMs = 3_000
const repairIntervalMs = 300

export class Operator {
  readonly #cluster: Cluster
  #isBusy = false
  /** Changes of members that were asked for, the last one at the end. */
  readonly #changes: { readonly id: NodeId; readonly endsMs: number }[] = []

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#repairAgain()
  }

  /** True when no change of members that it asked for can still happen. */
  get isAtRest(): boolean {
    return !this.#isBusy && this.changing.length === 0
  }

  /** Members that may become voters, or be none any more, by a change that was asked for. */
  get changing(): readonly NodeId[] {
    const { nowMs } = this.#cluster.timeline
    return this.#changes.filter(({ endsMs }) => nowMs < endsMs).map(({ id }) => id)
  }

  transfer(to: NodeId | null): boolean {
    return this.#ask('transfer', to ?? 0, quorum => quorum.transfer(to, timeoutMs))
  }

  addVoter(id: NodeId): boolean {
    return this.#change('add voter', id, async quorum => {
      await quorum.addVoter(id, urlOf(id), timeoutMs)
      this.#cluster.sometimes.note('memberAdded')
    })
  }

  removeVoter(id: NodeId): boolean {
    return this.#change('remove voter', id, async quorum => {
      await quorum.removeVoter(id, timeoutMs)
      this.#cluster.sometimes.note('memberRemoved')
    })
  }

  /** The member comes back with a blank disk. */
  replace(id: NodeId, afterMs: number): void {
    this.#cluster.replaceDisk(id)
    this.#cluster.timeline.after(afterMs, () => this.#cluster.start(id))
  }

  /** Members whose disk was hit get a new one, are removed, and are added as whoever they are then. */
  #repairAgain(): void {
    this.#cluster.timeline.after(repairIntervalMs, () => {
      for (const member of this.#cluster.members.values()) {
        if (member.isBroken) this.replace(member.id, repairIntervalMs)
        if (member.impairment === 'replaced' && member.isUp) this.#repair(member.id)
      }
      this.#repairAgain()
    })
  }

  #repair(id: NodeId): void {
    const leader = this.#cluster.leader()
    if (leader === null || this.#isBusy) return
    const { configurations, log } = leader.raft
    const { voters, oldVoters, members } = configurations.current
    if (oldVoters.length > 0 || configurations.currentIndex > log.commitIndex) return
    const known = members?.find(member => member.id === id)
    const member = this.#cluster.member(id)
    if (known === undefined) this.addVoter(id)
    else if (known.diskId !== member.disk.diskId) this.removeVoter(id)
    else if (voters.includes(id)) member.impairment = 'none'
    else this.addVoter(id)
  }

  #change(what: string, id: NodeId, ask: (quorum: Quorum) => Promise<unknown>): boolean {
    if (!this.#ask(what, id, ask)) return false
    this.#changes.push({ id, endsMs: this.#cluster.timeline.nowMs + 2 * timeoutMs })
    return true
  }

  #ask(what: string, id: number, ask: (quorum: Quorum) => Promise<unknown>): boolean {
    const { timeline, trace } = this.#cluster
    const leader = this.#cluster.leader()
    if (leader === null || this.#isBusy) return false
    this.#isBusy = true
    trace.note(timeline.nowMs, what, leader.id, 0, id, id)
    const done = (outcome: string): void => {
      if (timeout.isCancelled) return
      timeout.isCancelled = true
      this.#isBusy = false
      trace.note(timeline.nowMs, `${what}: ${outcome}`, leader.id, 0, id, id)
    }
    // A member that dies never answers.
    const timeout = timeline.after(2 * timeoutMs, () => done('no answer'))
    const { quorum } = leader
    const answer = (): void => {
      ask(quorum!).then(
        () => done('done'),
        error => done(String((error as Error).message)),
      )
    }
    leader.process.receive(answer)
    return true
  }
}
