/** What the controller decides about a partition: who is in sync, who is eligible, who leads (KIP-497, 903, 966). */
import { countOf, type Request, type Version } from './isr-state.ts'
import { isIn } from './raft-state.ts'

export interface ControllerRules {
  /** Leaders come from the ISR, then from the eligible (KIP-966). */
  readonly electsOnlyEligible: boolean
  /** A broker that lost what it acknowledged and had not synced is neither in sync nor eligible (KIP-966). */
  readonly distrustsDamaged: boolean
  /** A member of a new ISR must live the life in which it acknowledged (KIP-903). */
  readonly checksBrokerEpochs: boolean
  /** A request must have been made in knowledge of the version in force (KIP-497). */
  readonly checksPartitionEpoch: boolean
}

export interface Terms {
  readonly minIsr: number
  readonly rules: ControllerRules
  /** Bit set of the replicas. */
  readonly replicas: number
}

/** Broker `i` was not heard of in time. */
export function fence(before: Version, i: number, terms: Terms): readonly Version[] {
  return elect(leaveIsr(before, i, terms), terms).map(after => inItsEpoch(before, after))
}

/** Somebody was heard of again, or another leader is preferred. */
export function move(before: Version, terms: Terms): readonly Version[] {
  return elect({ ...before, leader: -1 }, terms).map(after => inItsEpoch(before, after))
}

/** Broker `i` has started again. What it led it leads in a new epoch, if at all. */
export function register(before: Version, i: number, isDamaged: boolean, terms: Terms): readonly Version[] {
  const left = isDamaged && terms.rules.distrustsDamaged ? leaveBoth(before, i, terms) : leaveIsr(before, i, terms)
  return elect(left, terms).map(after => inItsEpoch(before, after, before.leader === i && after.leader === i))
}

/** The version that a request of the leader leads to, or null where it has to be refused. */
export function alterPartition(
  before: Version,
  { isr, outdated, partitionEpoch }: Request,
  partitionEpochInForce: number,
  { minIsr, rules }: Terms,
): Version | null {
  if (rules.checksPartitionEpoch && partitionEpoch !== partitionEpochInForce) return null
  if (rules.checksBrokerEpochs && outdated !== 0) return null
  const elr = countOf(isr) >= minIsr ? 0 : (before.elr | before.isr) & ~isr
  return { ...before, isr, elr }
}

/** Broker `i` is in sync no more; below the minimum nothing is committed without it, so it stays eligible. */
function leaveIsr(version: Version, i: number, { minIsr }: Terms): Version {
  if (!isIn(version.isr, i)) return version
  const isr = version.isr & ~(1 << i)
  const elr = countOf(isr) >= minIsr ? 0 : version.elr | (1 << i)
  return { ...version, isr, elr, leader: version.leader === i ? -1 : version.leader }
}

/** Its log may lack what it acknowledged. Only when nobody else is left does it stay. */
function leaveBoth(version: Version, i: number, terms: Terms): Version {
  const left = leaveIsr(version, i, terms)
  const elr = left.elr & ~(1 << i)
  return left.isr === 0 && elr === 0 ? left : { ...left, elr }
}

/**
 * Who may lead where nobody does: of the ISR anyone, for whoever is believed to be gone is not in it; of the others those
 * that happen to be believed alive, if any.
 */
function elect(version: Version, { minIsr, rules, replicas }: Terms): readonly Version[] {
  const { leader, isr, elr } = version
  if (leader >= 0) return [version]
  if (isr !== 0) return membersOf(isr).map(i => ({ ...version, leader: i }))
  const elected = membersOf(rules.electsOnlyEligible ? elr : replicas).map((i): Version => {
    const rest = isIn(elr, i) && minIsr > 1 ? elr & ~(1 << i) : 0
    return { ...version, leader: i, isr: 1 << i, elr: rest }
  })
  return [version, ...elected]
}

function inItsEpoch(before: Version, after: Version, isNewReign = false): Version {
  if (before.leader === after.leader && !isNewReign) return after
  return { ...after, epoch: before.epoch + 1 }
}

/** A decision that changes nothing makes no version. */
export function isSame(one: Version, other: Version): boolean {
  return one.epoch === other.epoch && one.leader === other.leader && one.isr === other.isr && one.elr === other.elr
}

export function membersOf(mask: number): number[] {
  const members: number[] = []
  for (let i = 0; mask >> i > 0; i++) if (isIn(mask, i)) members.push(i)
  return members
}
