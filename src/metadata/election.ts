/**
 * Who leads a partition and who is in sync, when brokers come and go (KIP-966, eligible leader replicas). A replica that
 * leaves the ISR when fewer than min.insync.replicas remain stays eligible: the high watermark cannot have moved since,
 * so it has every committed record. Leaders come from the ISR, then from the eligible; somebody else only where losing
 * records was allowed (`unclean.leader.election.enable`), and then it is said.
 */
import type { NodeId } from '../util/numbers.ts'
import type { PartitionImage } from './image.ts'
import { halfOfReplicas } from './topic-configs.ts'

/** What the configs of a topic say about its elections; of a node: what topics get that do not say otherwise. */
export interface ElectionTerms {
  /** Value of `min.insync.replicas`: see `effectiveMinIsr`. */
  readonly minInsyncReplicas: number
  /** Value of `unclean.leader.election.enable`. */
  readonly isUncleanAllowed: boolean
}

/** The part of a partition that changes with its brokers. */
export interface Standing
  extends Pick<
    PartitionImage,
    'replicas' | 'isr' | 'elr' | 'addingReplicas' | 'removingReplicas' | 'offlineReplicas' | 'leaderId'
  > {
  /** The leader was just elected though it may lack committed records. */
  readonly isUnclean?: boolean
}

/** What an election asks about a broker, or about a replica on it; each asks more than the one before. */
export interface Candidates {
  /** Registered and not fenced. */
  readonly isAlive: (id: NodeId) => boolean
  /** Alive, and has not said that it is unfit. */
  readonly isFit: (id: NodeId) => boolean
  /** Fit and not draining. */
  readonly isAvailable: (id: NodeId) => boolean
}

/**
 * In-sync replicas below which nothing commits, for a partition of so many replicas. Leader and controller must agree on
 * it: who leaves an ISR that is smaller stays eligible only because that leader commits nothing any more.
 */
export function effectiveMinIsr(minInsyncReplicas: number, replicaCount: number): number {
  const wanted = minInsyncReplicas === halfOfReplicas ? Math.ceil(replicaCount / 2) : minInsyncReplicas
  return Math.min(wanted, replicaCount)
}

/** The same for a partition as it is: replicas that a reassignment adds do not count before it is complete. */
export function minIsrOf(
  { replicas, addingReplicas }: Pick<PartitionImage, 'replicas' | 'addingReplicas'>,
  minInsyncReplicas: number,
): number {
  return effectiveMinIsr(minInsyncReplicas, replicas.length - addingReplicas.length)
}

/** Another ISR. Who left it, or was eligible before, is eligible while it is too small; a leader outside leads no more. */
export function withIsr<S extends Standing>(standing: S, isr: readonly NodeId[], minInsyncReplicas: number): S {
  const { leaderId } = standing
  const hadAll = [...standing.elr, ...standing.isr.filter(id => !standing.elr.includes(id))]
  const elr = isr.length >= minIsrOf(standing, minInsyncReplicas) ? [] : hadAll.filter(id => !isr.includes(id))
  return { ...standing, isr, elr, leaderId: leaderId !== null && isr.includes(leaderId) ? leaderId : null }
}

/** The broker is not in sync any more; if it led, nobody does. */
export function leaveIsr<S extends Standing>(standing: S, nodeId: NodeId, minInsyncReplicas: number): S {
  const { isr } = standing
  if (!isr.includes(nodeId)) return standing
  return withIsr(
    standing,
    isr.filter(id => id !== nodeId),
    minInsyncReplicas,
  )
}

/**
 * The broker may have lost what it had: it is neither in sync nor eligible, unless nobody else is either; then it is all
 * there is (KIP-966, the last known leader).
 */
export function distrust<S extends Standing>(standing: S, nodeId: NodeId, minInsyncReplicas: number): S {
  const others = [...standing.isr, ...standing.elr].some(id => id !== nodeId)
  const left = leaveIsr(standing, nodeId, minInsyncReplicas)
  return others ? { ...left, elr: left.elr.filter(id => id !== nodeId) } : left
}

/** The same about the replicas of a partition: the best broker cannot serve one that its disk failed. */
export function replicasAmong({ offlineReplicas }: Standing, candidates: Candidates): Candidates {
  if (offlineReplicas.length === 0) return candidates
  const { isAlive, isFit, isAvailable } = candidates
  const isOnline = (id: NodeId): boolean => !offlineReplicas.includes(id)
  return {
    isAlive: id => isOnline(id) && isAlive(id),
    isFit: id => isOnline(id) && isFit(id),
    isAvailable: id => isOnline(id) && isAvailable(id),
  }
}

/** Gives a partition without an available leader the best one there is; leaves a good leader alone. */
export function elect<S extends Standing>(standing: S, candidates: Candidates, terms: ElectionTerms): S {
  const { replicas, isr, elr, leaderId } = standing
  const { isAlive, isFit, isAvailable } = replicasAmong(standing, candidates)
  const isLedBy = (isUsable: Candidates['isAlive']): boolean => leaderId !== null && isUsable(leaderId)
  const first = (among: readonly NodeId[], isUsable: Candidates['isAlive']): NodeId | undefined =>
    replicas.find(id => among.includes(id) && isUsable(id))
  if (isLedBy(isAvailable)) return standing
  const available = first(isr, isAvailable)
  if (available !== undefined) return { ...standing, leaderId: available }
  // A draining leader with nobody else in sync goes on: an eligible one may lack records it acknowledged with acks=1.
  if (isLedBy(isFit)) return standing
  const fit = first(isr, isFit)
  if (fit !== undefined) return { ...standing, leaderId: fit }
  const eligible = first(elr, isAvailable) ?? first(elr, isFit)
  if (eligible !== undefined) return ledByEligible(standing, eligible, terms)
  if (isLedBy(isAlive)) return standing
  const alive = first(isr, isAlive)
  if (alive !== undefined) return { ...standing, leaderId: alive }
  const eligibleAlive = first(elr, isAlive)
  if (eligibleAlive !== undefined) return ledByEligible(standing, eligibleAlive, terms)
  const anyone = first(replicas, isAvailable) ?? first(replicas, isFit) ?? first(replicas, isAlive)
  if (terms.isUncleanAllowed && anyone !== undefined)
    return { ...standing, leaderId: anyone, isr: [anyone], elr: [], isUnclean: true }
  return leaderId === null ? standing : { ...standing, leaderId: null }
}

function ledByEligible<S extends Standing>(standing: S, leaderId: NodeId, { minInsyncReplicas }: ElectionTerms): S {
  return { ...withIsr(standing, [leaderId], minInsyncReplicas), leaderId }
}
