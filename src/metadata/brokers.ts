/**
 * Decides about brokers: registration, fencing and unfencing, fitness, draining; and with each, what becomes of the
 * partitions they hold.
 */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { drainBroker } from '../protocol/apis/index.ts'
import type { Failure } from '../protocol/errors.ts'
import { type BrokerEpoch, type NodeId, toBrokerEpoch, toNodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import type { Decision, MetadataLimits } from './decision.ts'
import { distrust, type ElectionTerms, leaveIsr, replicasAmong } from './election.ts'
import type { BrokerImage, MetadataImage, PartitionImage } from './image.ts'
import type { MetadataRecord } from './record-types.ts'
import { replayAll } from './replay.ts'
import type { DecisionRules } from './rules.ts'
import { candidatesIn, electionTermsOf, settle, standingChange } from './settle.ts'

/** What a broker says of itself when it starts. */
export interface BrokerRegistration {
  readonly nodeId: NodeId
  readonly incarnationId: string
  readonly url: string
  readonly rack: string | null
  /** `null` for a broker that has not belonged to a cluster yet. */
  readonly clusterId: string | null
  /** Where other nodes reach it; `null`: nowhere. */
  readonly peerUrl: string | null
  /**
   * Epoch of its last registration, if its logs have everything they acknowledged since; `null` when they may not, or
   * when there was none (KIP-966).
   */
  readonly previousEpoch: BrokerEpoch | null
}

/** A partition of a topic that may exist no more. */
export interface PartitionPlace {
  readonly topicId: string
  readonly partition: number
}

export interface RegistrationFacts extends ElectionTerms {
  readonly limits: MetadataLimits
  /** This controller has heard of the registered broker of that id, and not so long ago that it counts as gone. */
  readonly isHeard: boolean
  readonly rules: DecisionRules
}

/**
 * Registers a broker: unfenced, fit, not draining, its replicas not known to have failed. The same incarnation again gets the same answer. A new incarnation of
 * a broker that is gone gets a new epoch and leaves the ISRs it was in; it stays eligible for what needs it only if its
 * logs are those of the epoch that was registered last. The leader epoch of what it led rises even where it leads again.
 */
export function decideRegisterBroker(
  image: ClusterImage,
  registration: BrokerRegistration,
  facts: RegistrationFacts,
): Decision<BrokerEpoch> | Failure {
  const { nodeId, incarnationId, url, peerUrl, rack, previousEpoch } = registration
  const existing = image.brokers.get(nodeId)
  const refusal = registrationFault(image, registration, existing, facts)
  if (refusal !== null) return refusal
  if (existing !== undefined && existing.incarnationId === incarnationId) {
    return { records: decideHeard(image, existing, existing.isUnfit, facts).records, response: existing.epoch }
  }
  // The epoch is the offset at which this very record will stand: it is the first of the decision.
  const epoch = toBrokerEpoch(image.lastOffset + 1)
  const state: BrokerState = { isFenced: false, isDraining: false, isUnfit: false }
  const broker: BrokerImage = { nodeId, epoch, url, peerUrl, rack, incarnationId, ...state }
  const isTrusted = existing?.epoch === previousEpoch || !facts.rules.distrustsLostLogs
  const before = candidatesIn(image, { ...broker, isFenced: true })
  const after = candidatesIn(image, broker)
  const changes = changesOf(image, facts, broker, true, (partition, terms) => {
    const leave = isTrusted ? leaveIsr : distrust
    const online = withoutFailure(partition, nodeId)
    // What it has it brings along: without it nobody may lead yet who would lose that.
    const isWaitedFor = isTrusted && facts.rules.whoHasAllComesFirst
    const meanwhile = isWaitedFor ? { ...terms, isUncleanAllowed: false } : terms
    const without = settle(leave(online, nodeId, terms.minInsyncReplicas), before, meanwhile)
    const next = settle(without, after, terms)
    // It is all there is, and may lack what others know to be committed.
    return !isTrusted && next.leaderId === nodeId ? { ...next, isUnclean: true } : next
  })
  return { records: [{ kind: 'registerBroker', ...broker }, ...changes], response: epoch }
}

function registrationFault(
  image: ClusterImage,
  { nodeId, incarnationId, clusterId }: BrokerRegistration,
  existing: BrokerImage | undefined,
  facts: RegistrationFacts,
): Failure | null {
  if (clusterId !== null && clusterId !== image.clusterId) {
    const message = `Broker ${nodeId} belongs to cluster ${clusterId}; this is ${image.clusterId}.`
    return { error: 'INCONSISTENT_CLUSTER_ID', message }
  }
  if (existing === undefined) {
    if (image.brokers.size < facts.limits.brokersMax) return null
    return { error: 'POLICY_VIOLATION', message: `The cluster may have ${facts.limits.brokersMax} brokers at most.` }
  }
  if (existing.incarnationId === incarnationId || !facts.isHeard || existing.isFenced) return null
  const message = `Another broker with node.id ${nodeId} is running at ${existing.url}.`
  return { error: 'DUPLICATE_BROKER_REGISTRATION', message }
}

/** The broker was not heard of in time: nothing is placed on it or led by it until it is heard of again. */
export function decideFence(image: ClusterImage, broker: BrokerImage, defaults: ElectionTerms): Decision<null> {
  if (broker.isFenced) return { records: [], response: null }
  return { records: stateRecords(image, broker, { isFenced: true }, defaults), response: null }
}

/**
 * The broker is heard of: it may lead what nobody leads, if it has every committed record. One that says that it is
 * unfit (its disk is full, or stands still) leads and is in sync only where nobody else can be.
 */
export function decideHeard(
  image: ClusterImage,
  broker: BrokerImage,
  isUnfit: boolean,
  defaults: ElectionTerms,
): Decision<null> {
  if (!broker.isFenced && broker.isUnfit === isUnfit) return { records: [], response: null }
  return { records: stateRecords(image, broker, { isFenced: false, isUnfit }, defaults), response: null }
}

/** The disk of the broker failed these replicas: for as long as this process of it runs they are nobody's hope. */
export function decideOffline(
  image: ClusterImage,
  { nodeId }: BrokerImage,
  failed: readonly PartitionPlace[],
  defaults: ElectionTerms,
): Decision<null> {
  const candidates = candidatesIn(image)
  // Said twice it is one change: a record stands for the partition as it is before the decision.
  const changes = new Map<string, MetadataRecord>()
  for (const { topicId, partition } of failed) {
    const topic = image.topics.byId.get(topicId)
    const before = topic?.partitions[partition]
    if (topic === undefined || before === undefined) continue
    if (!before.replicas.includes(nodeId) || before.offlineReplicas.includes(nodeId)) continue
    const offline = { ...before, offlineReplicas: [...before.offlineReplicas, nodeId] }
    const after = settle(offline, candidates, electionTermsOf(topic, defaults))
    changes.set(`${topicId} ${partition}`, standingChange(topicId, partition, before, after)!)
  }
  return { records: [...changes.values()], response: null }
}

/**
 * The broker wants to stop: it is unfit from now on. Until `mayStop` there are partitions that it leads and that another
 * replica will be able to lead, once it has caught up.
 */
export function decideShutdown(
  image: ClusterImage,
  broker: BrokerImage,
  defaults: ElectionTerms,
): Decision<{ readonly mayStop: boolean }> {
  if (broker.isFenced) return { records: [], response: { mayStop: true } }
  const records = broker.isUnfit ? [] : stateRecords(image, broker, { isUnfit: true }, defaults)
  const after = replayAll(image, records)
  const candidates = candidatesIn(after)
  const isWaitedFor = (partition: PartitionImage): boolean => {
    const { leaderId, replicas, addingReplicas } = partition
    const { isFit } = replicasAmong(partition, candidates)
    return leaderId === broker.nodeId && replicas.some(id => isFit(id) && !addingReplicas.includes(id))
  }
  return { records, response: { mayStop: !hasPartition(after, isWaitedFor) } }
}

/** Decides DrainBroker: a draining broker leads only what nobody else in sync can; it goes on following, in the ISRs. */
export function decideDrainBroker(
  image: ClusterImage,
  request: RequestOf<typeof drainBroker>,
  defaults: ElectionTerms,
): Decision<ResponseOf<typeof drainBroker>> | Failure {
  const { isDraining } = request
  const broker = image.brokers.get(toNodeId(request.nodeId))
  if (broker === undefined) return notRegistered(request.nodeId)
  const records = broker.isDraining === isDraining ? [] : stateRecords(image, broker, { isDraining }, defaults)
  let leaderCount = 0
  for (const { partitions } of replayAll(image, records).topics.byId.values())
    for (const { leaderId } of partitions) if (leaderId === broker.nodeId) leaderCount += 1
  return { records, response: { leaderCount } }
}

/** The broker of that id, if it is registered in that epoch. */
export function registeredBroker(image: MetadataImage, nodeId: NodeId, epoch: BrokerEpoch): BrokerImage | Failure {
  const broker = image.brokers.get(nodeId)
  if (broker === undefined) return notRegistered(nodeId)
  if (broker.epoch === epoch) return broker
  const message = `Broker ${nodeId} was registered anew: its epoch is ${broker.epoch}, not ${epoch}.`
  return { error: 'STALE_BROKER_EPOCH', message }
}

function notRegistered(nodeId: number): Failure {
  return { error: 'BROKER_ID_NOT_REGISTERED', message: `No broker ${nodeId} is registered.` }
}

/** A new process opens its logs anew, and says what it finds. */
function withoutFailure(partition: PartitionImage, nodeId: NodeId): PartitionImage {
  const { offlineReplicas } = partition
  if (!offlineReplicas.includes(nodeId)) return partition
  return { ...partition, offlineReplicas: offlineReplicas.filter(id => id !== nodeId) }
}

type BrokerState = Pick<BrokerImage, 'isFenced' | 'isDraining' | 'isUnfit'>

/** The broker's new state, and what it means for every partition the broker holds. */
function stateRecords(
  image: ClusterImage,
  broker: BrokerImage,
  wanted: Partial<BrokerState>,
  defaults: ElectionTerms,
): MetadataRecord[] {
  const { nodeId, epoch } = broker
  const after = { ...broker, ...wanted }
  const candidates = candidatesIn(image, after)
  const changed = <K extends keyof BrokerState>(key: K): boolean | null =>
    after[key] === broker[key] ? null : after[key]
  return [
    {
      kind: 'brokerChange',
      nodeId,
      epoch,
      isFenced: changed('isFenced'),
      isDraining: changed('isDraining'),
      isUnfit: changed('isUnfit'),
    },
    ...changesOf(image, defaults, broker, false, (partition, terms) => {
      const held = after.isFenced ? leaveIsr(partition, nodeId, terms.minInsyncReplicas) : partition
      return settle(held, candidates, terms)
    }),
  ]
}

/** A change for each partition that the broker holds and `next` changes; with `isNewLife` what it led it leads anew. */
function changesOf(
  image: ClusterImage,
  defaults: ElectionTerms,
  { nodeId }: BrokerImage,
  isNewLife: boolean,
  next: (partition: PartitionImage, terms: ElectionTerms) => PartitionImage & { readonly isUnclean?: boolean },
): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const topic of image.topics.byId.values()) {
    const terms = electionTermsOf(topic, defaults)
    for (const [index, partition] of topic.partitions.entries()) {
      if (!partition.replicas.includes(nodeId)) continue
      const after = next(partition, terms)
      if (after === partition) continue
      const isNewReign = isNewLife && partition.leaderId === nodeId && after.leaderId === nodeId
      const change = standingChange(topic.id, index, partition, after, isNewReign)
      if (change !== null) records.push(change)
    }
  }
  return records
}

function hasPartition(image: ClusterImage, isSuch: (partition: PartitionImage) => boolean): boolean {
  for (const { partitions } of image.topics.byId.values()) if (partitions.some(isSuch)) return true
  return false
}
