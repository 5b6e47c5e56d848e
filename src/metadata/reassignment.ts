/**
 * Moving a partition to other brokers (KIP-455). While a move is under way the replicas are those it shall have in the
 * end, in their order, then those that go; the ones that are added catch up, and once they are in sync the others go.
 */
import type { NodeId } from '../util/numbers.ts'
import { effectiveMinIsr, type Standing, withIsr } from './election.ts'

export function isReassigning({ addingReplicas, removingReplicas }: Standing): boolean {
  return addingReplicas.length > 0 || removingReplicas.length > 0
}

/** The replicas a partition has once no move is under way: now, or in the end. */
export function finalReplicas({ replicas, removingReplicas }: Standing): readonly NodeId[] {
  return replicas.filter(id => !removingReplicas.includes(id))
}

/** Everyone it adds is in sync, and the replicas that remain can commit without those that go. */
function isReady(standing: Standing, minInsyncReplicas: number): boolean {
  const { isr, addingReplicas } = standing
  if (!isReassigning(standing) || !addingReplicas.every(id => isr.includes(id))) return false
  const replicas = finalReplicas(standing)
  return isr.filter(id => replicas.includes(id)).length >= effectiveMinIsr(minInsyncReplicas, replicas.length)
}

/**
 * Those that go as soon as the leader asks for the ISR without them. Whoever leads, or led until a moment ago, has records
 * under way, and nobody else could tell the producers that wait what became of them. Of a move that is not ready, or where
 * none of them is in sync or nobody leads: nobody.
 */
export function leaving(standing: Standing, minInsyncReplicas: number): readonly NodeId[] {
  const { leaderId, isr, removingReplicas } = standing
  const isWaitedFor = leaderId !== null && removingReplicas.some(id => isr.includes(id))
  return isWaitedFor && isReady(standing, minInsyncReplicas) ? removingReplicas : []
}

/** The move is over when it is ready, and its leader has let go of those that go. */
export function completed<S extends Standing>(standing: S, minInsyncReplicas: number): S {
  if (!isReady(standing, minInsyncReplicas) || leaving(standing, minInsyncReplicas).length > 0) return standing
  const replicas = finalReplicas(standing)
  const isr = standing.isr.filter(id => replicas.includes(id))
  const offlineReplicas = standing.offlineReplicas.filter(id => replicas.includes(id))
  return { ...standing, replicas, isr, elr: [], offlineReplicas, addingReplicas: [], removingReplicas: [] }
}

/**
 * The move to `target` begins, in the place of one under way. Replicas that only the old move added are gone at once, but for
 * a leader among them, which goes as every leader does; `null` when nobody in sync would be left.
 */
export function begun<S extends Standing>(standing: S, target: readonly NodeId[], minInsyncReplicas: number): S | null {
  const { leaderId } = standing
  const before = originalReplicas(standing)
  const leader = standing.addingReplicas.filter(id => id === leaderId)
  const removingReplicas = [...before, ...leader].filter(id => !target.includes(id))
  const replicas = [...target, ...removingReplicas]
  const addingReplicas = target.filter(id => !before.includes(id))
  const isKept = (id: NodeId): boolean => replicas.includes(id)
  const isr = standing.isr.filter(isKept)
  // Without a leader nobody is in sync, and nobody will be before an eligible one is back.
  if (isr.length === 0 && standing.isr.length > 0) return null
  const elr = standing.elr.filter(isKept)
  if (isr.length + elr.length === 0) return null
  const offlineReplicas = standing.offlineReplicas.filter(isKept)
  const placed = { replicas, addingReplicas, removingReplicas }
  return withIsr({ ...standing, ...placed, elr, isr, offlineReplicas }, isr, minInsyncReplicas)
}

/** The move under way is given up: a move back. `null` when nobody in sync would be left. */
export function cancelled<S extends Standing>(standing: S, minInsyncReplicas: number): S | null {
  return begun(standing, originalReplicas(standing), minInsyncReplicas)
}

/** The replicas a partition had before the move under way. */
function originalReplicas({ replicas, addingReplicas }: Standing): readonly NodeId[] {
  return replicas.filter(id => !addingReplicas.includes(id))
}
