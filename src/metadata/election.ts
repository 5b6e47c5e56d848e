/**
 * Who leads a partition and who is in sync, when brokers come and go (KIP-966, eligible leader replicas). A replica that
 * leaves the ISR when fewer than min.insync.replicas remain stays eligible: the high watermark cannot have moved since,
 * so it has every committed record. Leaders come from the ISR, then from the eligible; nobody else is ever elected here.
 */
import type { NodeId } from '../util/numbers.ts'
import type { PartitionImage } from './image.ts'
import { noLeader, type RecordOf } from './record-types.ts'

/** The part of a partition that changes with its brokers. */
export type Standing = Pick<PartitionImage, 'replicas' | 'isr' | 'elr' | 'leaderId'>

/** What an election asks about a broker. */
export interface Candidates {
  /** Registered and not fenced. */
  readonly isAlive: (id: NodeId) => boolean
  /** Alive and not draining: preferred. */
  readonly isAvailable: (id: NodeId) => boolean
}

/** The broker is not in sync any more; if it led, nobody does. */
export function leaveIsr<S extends Standing>(standing: S, nodeId: NodeId, minInsyncReplicas: number): S {
  if (!standing.isr.includes(nodeId)) return standing
  const isr = standing.isr.filter(id => id !== nodeId)
  const elr = isr.length >= minimum(standing, minInsyncReplicas) ? [] : [...standing.elr, nodeId]
  return { ...standing, isr, elr, leaderId: standing.leaderId === nodeId ? null : standing.leaderId }
}

/** Gives a partition without an available leader the best one there is; leaves a good leader alone. */
export function elect<S extends Standing>(standing: S, candidates: Candidates, minInsyncReplicas: number): S {
  const { replicas, isr, elr, leaderId } = standing
  if (leaderId !== null && candidates.isAvailable(leaderId)) return standing
  const inSync = (isUsable: (id: NodeId) => boolean): NodeId | undefined =>
    replicas.find(id => isr.includes(id) && isUsable(id))
  const available = inSync(candidates.isAvailable)
  if (available !== undefined) return { ...standing, leaderId: available }
  // A draining leader with nobody else in sync goes on: an eligible one may lack records it acknowledged with acks=1.
  if (leaderId !== null && candidates.isAlive(leaderId)) return standing
  const alive = inSync(candidates.isAlive)
  if (alive !== undefined) return { ...standing, leaderId: alive }
  const eligible =
    replicas.find(id => elr.includes(id) && candidates.isAvailable(id)) ??
    replicas.find(id => elr.includes(id) && candidates.isAlive(id))
  if (eligible === undefined) return leaderId === null ? standing : { ...standing, leaderId: null }
  const restIsEligible = minimum(standing, minInsyncReplicas) > 1
  return {
    ...standing,
    leaderId: eligible,
    isr: [eligible],
    elr: restIsEligible ? elr.filter(id => id !== eligible) : [],
  }
}

/** The change from `before` to `after`, or `null` for none. `isNewReign`: the leader epoch rises though the leader stays. */
export function standingChange(
  topicId: string,
  partition: number,
  before: Standing,
  after: Standing,
  isNewReign = false,
): RecordOf<'partitionChange'> | null {
  const isLeaderChange = before.leaderId !== after.leaderId || isNewReign
  const isIsrChange = !sameMembers(before.isr, after.isr)
  const isElrChange = !sameMembers(before.elr, after.elr)
  if (!isLeaderChange && !isIsrChange && !isElrChange) return null
  return {
    kind: 'partitionChange',
    topicId,
    partition,
    leaderId: isLeaderChange ? (after.leaderId ?? noLeader) : null,
    replicas: null,
    isr: isIsrChange ? after.isr : null,
    elr: isElrChange ? after.elr : null,
    addingReplicas: null,
    removingReplicas: null,
    isUnclean: false,
  }
}

/** In-sync replicas below which nothing commits: there cannot be more than there are replicas. */
export function minimum({ replicas }: Pick<Standing, 'replicas'>, minInsyncReplicas: number): number {
  return Math.min(minInsyncReplicas, replicas.length)
}

function sameMembers(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}
