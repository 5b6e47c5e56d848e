/**
 * Servers in no configuration that a leader feeds all the same: they receive, persist and apply like learners, and decide
 * nothing. Only the leader knows of them, and only while it leads; whoever leads next must be told again.
 */
import type { NodeId } from '../util/numbers.ts'
import { isMember } from './configuration.ts'
import { newProgress } from './roles.ts'
import type { Leader, Raft } from './state.ts'

/** In no order that means anything; what each has is in the leader's `progress`. Empty on everyone but a leader. */
export function observersOf(raft: Raft): readonly NodeId[] {
  return raft.role.kind === 'leader' ? [...raft.role.observers.keys()] : []
}

/** Members are fed already: of them this changes nothing. */
export function onObserve(raft: Raft, leader: Leader, id: NodeId, diskId: string | null): void {
  if (id === raft.id || isMember(raft.configurations.current, id)) return
  if (diskId !== null && leader.observers.get(id) === diskId) return
  leader.observers.set(id, diskId)
  // Somebody new, for all the leader knows: what an earlier one under this number had says nothing.
  leader.progress.set(id, newProgress(raft))
}

export function onUnobserve(leader: Leader, id: NodeId): void {
  if (leader.observers.delete(id)) leader.progress.delete(id)
}
