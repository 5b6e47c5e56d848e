/**
 * Brings a partition to what its brokers allow, whatever changed: a move that can be completed is, the unfit leave the
 * ISR to others, those whose disk failed leave it in any case, and whoever can lead best does. Every decision that touches a partition ends here, and becomes a record
 * here.
 */
import type { NodeId } from '../util/numbers.ts'
import { type Candidates, type ElectionTerms, elect, replicasAmong, type Standing, withIsr } from './election.ts'
import type { BrokerImage, MetadataImage, TopicImage } from './image.ts'
import { isAvailable } from './placement.ts'
import { completed, leaving } from './reassignment.ts'
import { noLeader, type RecordOf } from './record-types.ts'

export function settle<S extends Standing>(standing: S, candidates: Candidates, terms: ElectionTerms): S {
  const moved = completed(withoutOffline(standing, terms), terms.minInsyncReplicas)
  const fit = withoutUnfit(moved, replicasAmong(moved, candidates).isFit, terms)
  if (isLetGoOf(fit, candidates, terms)) return fit
  const led = elect(fit, candidates, terms)
  // Where the leader was the last to go.
  return completed(led, terms.minInsyncReplicas)
}

/** Its leader will ask to be left out in a moment. Elected away, it would be gone before it has answered what it has taken. */
function isLetGoOf(standing: Standing, { isFit }: Candidates, { minInsyncReplicas }: ElectionTerms): boolean {
  const { leaderId } = standing
  return leaderId !== null && isFit(leaderId) && leaving(standing, minInsyncReplicas).includes(leaderId)
}

/** Whom the disk failed is not in sync, whoever else is. */
function withoutOffline<S extends Standing>(standing: S, { minInsyncReplicas }: ElectionTerms): S {
  const { isr, offlineReplicas } = standing
  if (!isr.some(id => offlineReplicas.includes(id))) return standing
  return withIsr(
    standing,
    isr.filter(id => !offlineReplicas.includes(id)),
    minInsyncReplicas,
  )
}

/** Only the fit are in sync, if others that have every committed record are fit. */
function withoutUnfit<S extends Standing>(standing: S, isFit: Candidates['isFit'], terms: ElectionTerms): S {
  const { isr, elr } = standing
  if (isr.every(isFit)) return standing
  if (!isr.some(isFit) && !elr.some(isFit)) return standing
  return withIsr(standing, isr.filter(isFit), terms.minInsyncReplicas)
}

/** Who can lead, by the image; `changed` as it will be once the decision stands in it. */
export function candidatesIn(image: MetadataImage, changed: BrokerImage | null = null): Candidates {
  const brokerOf = (id: NodeId): BrokerImage | undefined => (id === changed?.nodeId ? changed : image.brokers.get(id))
  const asking =
    (isUsable: (broker: BrokerImage) => boolean) =>
    (id: NodeId): boolean => {
      const broker = brokerOf(id)
      return broker !== undefined && isUsable(broker)
    }
  return {
    isAlive: asking(broker => !broker.isFenced),
    isFit: asking(broker => !broker.isFenced && !broker.isUnfit),
    isAvailable: asking(isAvailable),
  }
}

/** The terms of a topic, where it does not say otherwise those of the node. */
export function electionTermsOf({ configs }: Pick<TopicImage, 'configs'>, defaults: ElectionTerms): ElectionTerms {
  const isUncleanAllowed = configs.get('unclean.leader.election.enable')
  return {
    minInsyncReplicas: Number(configs.get('min.insync.replicas') ?? defaults.minInsyncReplicas),
    isUncleanAllowed: isUncleanAllowed === undefined ? defaults.isUncleanAllowed : isUncleanAllowed === 'true',
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
  const change: RecordOf<'partitionChange'> = {
    kind: 'partitionChange',
    topicId,
    partition,
    leaderId: isLeaderChange ? (after.leaderId ?? noLeader) : null,
    // Their order says who is preferred; that of the others says nothing.
    replicas: sameOrder(before.replicas, after.replicas) ? null : after.replicas,
    isr: sameMembers(before.isr, after.isr) ? null : after.isr,
    elr: sameMembers(before.elr, after.elr) ? null : after.elr,
    addingReplicas: sameMembers(before.addingReplicas, after.addingReplicas) ? null : after.addingReplicas,
    removingReplicas: sameMembers(before.removingReplicas, after.removingReplicas) ? null : after.removingReplicas,
    isUnclean: isLeaderChange && after.isUnclean === true,
    offlineReplicas: sameMembers(before.offlineReplicas, after.offlineReplicas) ? null : after.offlineReplicas,
  }
  const { leaderId, replicas, isr, elr, addingReplicas, removingReplicas, offlineReplicas } = change
  const parts = [leaderId, replicas, isr, elr, addingReplicas, removingReplicas, offlineReplicas]
  const isNone = parts.every(value => value === null)
  return isNone ? null : change
}

/** Nothing changes but the partition epoch: whoever asks for a change on what it knew before is refused. */
export function newPartitionEpoch(topicId: string, partition: number): RecordOf<'partitionChange'> {
  return {
    kind: 'partitionChange',
    topicId,
    partition,
    leaderId: null,
    replicas: null,
    isr: null,
    elr: null,
    addingReplicas: null,
    removingReplicas: null,
    isUnclean: false,
    offlineReplicas: null,
  }
}

function sameMembers(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}

function sameOrder(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at])
}
