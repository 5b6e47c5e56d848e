/**
 * What a state machine shows is committed and on its own disk: a power cut takes back nothing that was seen (thesis,
 * section 10.2.1; etcd's "apply before persist" bugs).
 */
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'applied is committed and on disk'

export class AppliedIsCommitted implements Invariant {
  readonly #members = new Map<NodeId, MemberView>()

  started(member: MemberView): void {
    this.#members.set(member.id, member)
  }

  applied(id: NodeId, index: LogIndex): void {
    const member = this.#members.get(id)
    const commitIndex = member?.raft.log.commitIndex ?? 0
    hold(index <= commitIndex, name, () => `${id} applied ${index}, committed is ${commitIndex}`)
    const durable = member!.durable()
    const isDurable = (durable.snapshot?.index ?? 0) >= index || durable.termAt(index) !== null
    hold(isDurable, name, () => `${id} applied ${index}, which is not on its disk`)
  }

  restored(id: NodeId, index: LogIndex): void {
    const snapshotIndex = this.#members.get(id)?.durable().snapshot?.index
    // At the start of a life the snapshot comes from the disk.
    if (snapshotIndex === undefined) return
    hold(index <= snapshotIndex, name, () => `${id} restored ${index}, on its disk is a snapshot of ${snapshotIndex}`)
  }
}
