/**
 * What must hold of the replicas of a partition after every step (the numbers are those of SPEC.md), looked at from
 * outside: by what is in the logs, not by what the core believes.
 */
import { minIsrOf } from '../../src/metadata/election.ts'
import type { LeaderReplica } from '../../src/replication/leader-replica.ts'
import type { Offset } from '../../src/util/numbers.ts'
import { leadingOf, type ReplicaCluster } from './replica-cluster.ts'
import type { ReplicaNode } from './replica-node.ts'

export class ReplicaInvariants {
  readonly #cluster: ReplicaCluster
  /** Values of all that was ever below a leader's high watermark, by offset. */
  readonly #committed: number[] = []
  /** How much of it was, up to each leader epoch. */
  readonly #committedByEpoch: number[] = []
  readonly #highWatermarks = new Map<object, Offset>()
  /** By leader epoch, follower and its broker epoch. */
  readonly #matchEnds = new Map<string, Offset>()
  readonly counts = { commits: 0, reigns: 0 }

  constructor(cluster: ReplicaCluster) {
    this.#cluster = cluster
  }

  get committedCount(): number {
    return this.#committed.length
  }

  check(): void {
    const { nodes } = this.#cluster
    for (const node of nodes.values()) {
      const leading = leadingOf(node)
      if (leading !== null) this.#checkLeader(node, leading.replica)
      this.#checkMonotonic(node)
    }
    for (const node of nodes.values()) this.#checkPrefix(node)
    this.#checkBeliefs()
    this.#checkElectable()
  }

  #checkLeader(node: ReplicaNode, replica: LeaderReplica): void {
    const { highWatermark, leaderEpoch } = replica
    if (highWatermark > this.#committed.length) this.#checkCommit(node, replica)
    for (let offset = this.#committed.length; offset < highWatermark; offset++) {
      this.#committed.push(node.log.valueAt(offset))
      this.counts.commits++
    }
    this.#committedByEpoch[leaderEpoch] = Math.max(this.#committedByEpoch[leaderEpoch] ?? 0, highWatermark)
    // KIP-207: a leader that says that it knows everything that earlier ones showed does.
    if (!replica.isHighWatermarkCurrent) return
    for (let epoch = 0; epoch < leaderEpoch; epoch++) {
      const shown = this.#committedByEpoch[epoch] ?? 0
      check(shown <= highWatermark, `L7: ${node.id} shows ${highWatermark}, epoch ${epoch} showed ${shown}`)
    }
  }

  /** L1, L2: who is in sync, by the leader's own metadata or perhaps already, has it durably; and there are enough of them. */
  #checkCommit(node: ReplicaNode, replica: LeaderReplica): void {
    const { controller, nodes } = this.#cluster
    const { highWatermark, isr } = replica
    const holds = (other: ReplicaNode): boolean =>
      other.log.durableEndOffset >= highWatermark && isSameAt(node, other, highWatermark - 1)
    const minIsr = minIsrOf(this.#cluster.partition, controller.minInsyncReplicas)
    // One at most has lost what it acknowledged.
    const needed = minIsr - (this.#cluster.policy === 'os' ? 1 : 0)
    check(isr.length >= minIsr, `L2: ${node.id} commits ${highWatermark} with ISR ${isr}`)
    const holders = [...nodes.values()].filter(holds).length
    check(holders >= needed, `L2: ${holders} have what ${node.id} commits up to ${highWatermark}`)
    if (this.#cluster.policy === 'os') return
    for (const id of [...isr, ...(replica.proposal?.isr ?? []).map(({ nodeId }) => nodeId)]) {
      check(holds(this.#cluster.node(id)), `L1: ${node.id} commits ${highWatermark}, which ${id} has not`)
    }
  }

  /** L3: within an epoch, and within a life of a follower in it. */
  #checkMonotonic({ id, role, highWatermark }: ReplicaNode): void {
    if (role === null) return
    const before = this.#highWatermarks.get(role.replica) ?? 0
    check(highWatermark >= before, `L3: the high watermark of ${id} goes back from ${before} to ${highWatermark}`)
    if (!this.#highWatermarks.has(role.replica) && role.kind === 'leading') this.counts.reigns++
    this.#highWatermarks.set(role.replica, highWatermark)
  }

  /** F4: what a replica serves is what was committed. */
  #checkPrefix({ id, log, highWatermark }: ReplicaNode): void {
    check(
      highWatermark <= log.logEndOffset,
      `F4: ${id} has ${log.logEndOffset} and takes ${highWatermark} for committed`,
    )
    check(highWatermark <= this.#committed.length, `F4: ${id} takes ${highWatermark} for committed`)
    for (let offset = log.logStartOffset; offset < highWatermark; offset++) {
      check(log.valueAt(offset) === this.#committed[offset], `F4: ${id} serves another record at ${offset}`)
    }
  }

  /**
   * L4, L5, L6: what the leader of the newest epoch believes that a follower has, that life of the follower has, durably;
   * it does not come to believe less; and it is no life that is over by its own metadata.
   */
  #checkBeliefs(): void {
    const { leaderId, leaderEpoch } = this.#cluster.partition
    const node = leaderId === null ? null : this.#cluster.node(leaderId)
    const leading = node === null ? null : leadingOf(node)
    if (node === null || leading === null || leading.replica.leaderEpoch !== leaderEpoch) return
    for (const [id, { matchEnd, brokerEpoch }] of leading.replica.followers) {
      const follower = this.#cluster.node(id)
      if (matchEnd === null || matchEnd === 0) continue
      const known = leading.terms.brokerEpochs.get(id) ?? brokerEpoch
      check(brokerEpoch! >= known!, `L6: ${leaderId} believes life ${brokerEpoch} of ${id}, and knows of ${known}`)
      if (brokerEpoch !== follower.brokerEpoch || !follower.isUp) continue
      const { log } = follower
      const holds = log.durableEndOffset >= matchEnd && isSameAt(node, follower, matchEnd - 1)
      check(holds, `L4: ${leaderId} believes that ${id} has ${matchEnd}, it has ${log.durableEndOffset}`)
      const life = `${leaderEpoch}/${id}/${brokerEpoch}`
      const before = this.#matchEnds.get(life) ?? 0
      check(matchEnd >= before, `L5: ${leaderId} believed that ${id} has ${before}, and now ${matchEnd}`)
      this.#matchEnds.set(life, matchEnd)
    }
  }

  /** C1: whoever may be elected has everything that was committed, durably. */
  #checkElectable(): void {
    const { isr, elr, leaderId } = this.#cluster.partition
    check(leaderId === null || isr.includes(leaderId), `C2: ${leaderId} leads and is not in ISR ${isr}`)
    for (const id of [...isr, ...elr]) {
      const { log, isDamaged } = this.#cluster.node(id)
      if (isDamaged) continue
      const end = this.#committed.length
      check(log.durableEndOffset >= end, `C1: ${id} is electable and has ${log.durableEndOffset} of ${end} durably`)
      for (let offset = log.logStartOffset; offset < end; offset++) {
        check(
          log.valueAt(offset) === this.#committed[offset],
          `C1: ${id} is electable and has another record at ${offset}`,
        )
      }
    }
  }
}

/** Below the start of a log are only committed records, which are compared elsewhere. */
function isSameAt(one: ReplicaNode, other: ReplicaNode, offset: Offset): boolean {
  if (offset < one.log.logStartOffset || offset < other.log.logStartOffset) return true
  return one.log.valueAt(offset) === other.log.valueAt(offset)
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
