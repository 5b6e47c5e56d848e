/**
 * Terms, commit, applied and snapshot indexes never go back, and the first and the last of them not over restarts
 * either (Ongaro and Ousterhout 2014, figure 2). Another disk is another member: a wiped one begins anew.
 */
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

interface Seen {
  term: number
  commitIndex: number
  appliedIndex: number
  snapshotIndex: number
}

export class Monotonic implements Invariant {
  readonly #seen = new Map<NodeId, Seen>()
  /** What was durable, by disk. */
  readonly #durable = new Map<string, { term: number; snapshotIndex: number }>()

  started(member: MemberView): void {
    const { id, diskId, raft } = member
    const known = this.#durable.get(diskId) ?? { term: 0, snapshotIndex: 0 }
    const snapshotIndex = raft.snapshot?.index ?? 0
    check(id, 'durable term', known.term, raft.term)
    check(id, 'durable snapshot index', known.snapshotIndex, snapshotIndex)
    const { commitIndex, appliedIndex } = raft.log
    this.#seen.set(id, { term: raft.term, commitIndex, appliedIndex, snapshotIndex })
  }

  stepped(member: MemberView): void {
    const { id, diskId, raft } = member
    const seen = this.#seen.get(id)!
    const { commitIndex, appliedIndex, lastIndex } = raft.log
    const snapshotIndex = raft.snapshot?.index ?? 0
    check(id, 'term', seen.term, raft.term)
    check(id, 'commitIndex', seen.commitIndex, commitIndex)
    check(id, 'appliedIndex', seen.appliedIndex, appliedIndex)
    check(id, 'snapshotIndex', seen.snapshotIndex, snapshotIndex)
    hold(appliedIndex <= commitIndex && commitIndex <= lastIndex, 'monotonic', () => `${id}: applied <= commit <= last`)
    if (seen.snapshotIndex !== snapshotIndex || seen.term !== raft.term) this.#noteDurable(member, diskId)
    seen.term = raft.term
    seen.commitIndex = commitIndex
    seen.appliedIndex = appliedIndex
    seen.snapshotIndex = snapshotIndex
  }

  /** Whoever hears of a term may hold the sender to it. */
  sending(member: MemberView): void {
    this.#noteDurable(member, member.diskId)
  }

  #noteDurable(member: MemberView, diskId: string): void {
    const { hardState, snapshot } = member.durable()
    const known = this.#durable.get(diskId)
    if (known === undefined) this.#durable.set(diskId, { term: hardState.term, snapshotIndex: snapshot?.index ?? 0 })
    else {
      known.term = Math.max(known.term, hardState.term)
      known.snapshotIndex = Math.max(known.snapshotIndex, snapshot?.index ?? 0)
    }
  }
}

function check(id: NodeId, what: string, before: number, now: number): void {
  hold(now >= before, 'monotonic', () => `${what} of ${id} went back from ${before} to ${now}`)
}
