/**
 * Decides about brokers: registration, fencing and unfencing, draining; and with each, what becomes of the partitions
 * they hold.
 */
import type { Failure } from '../protocol/errors.ts'
import type { BrokerEpoch, NodeId } from '../util/numbers.ts'
import { toBrokerEpoch } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import type { Decision, MetadataLimits } from './decision.ts'
import { type Candidates, elect, leaveIsr, type Standing, standingChange } from './election.ts'
import type { BrokerImage, PartitionImage, TopicImage } from './image.ts'
import { isAvailable } from './placement.ts'
import type { MetadataRecord } from './record-types.ts'

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

export interface BrokerFacts {
  /** Value of min.insync.replicas for topics that do not set it. */
  readonly minInsyncReplicas: number
}

export interface RegistrationFacts extends BrokerFacts {
  readonly limits: MetadataLimits
  /** This controller has heard of the registered broker of that id, and not so long ago that it counts as gone. */
  readonly isHeard: boolean
}

/**
 * Registers a broker, unfenced. The same incarnation again gets the same answer. A new incarnation of a broker that is
 * gone gets a new epoch, and leaves the ISRs it was in unless nobody else is left: how much of the log it still has is
 * not known. The leader epoch of what it led rises even where it leads again.
 */
export function decideRegisterBroker(
  image: ClusterImage,
  registration: BrokerRegistration,
  facts: RegistrationFacts,
): Decision<BrokerEpoch> | Failure {
  const { nodeId, incarnationId, url, peerUrl, rack, clusterId } = registration
  if (clusterId !== null && clusterId !== image.clusterId) {
    const message = `Broker ${nodeId} belongs to cluster ${clusterId}; this is ${image.clusterId}.`
    return { error: 'INCONSISTENT_CLUSTER_ID', message }
  }
  const existing = image.brokers.get(nodeId)
  if (existing !== undefined && existing.incarnationId === incarnationId) {
    const { records } = existing.isFenced ? decideUnfence(image, existing, facts) : { records: [] }
    return { records, response: existing.epoch }
  }
  if (existing !== undefined && facts.isHeard && !existing.isFenced) {
    const message = `Another broker with node.id ${nodeId} is running at ${existing.url}.`
    return { error: 'DUPLICATE_BROKER_REGISTRATION', message }
  }
  if (existing === undefined && image.brokers.size >= facts.limits.brokersMax) {
    return { error: 'POLICY_VIOLATION', message: `The cluster may have ${facts.limits.brokersMax} brokers at most.` }
  }
  // The epoch is the offset at which this very record will stand: it is the first of the decision.
  const epoch = toBrokerEpoch(image.lastOffset + 1)
  const broker: BrokerImage = {
    nodeId,
    epoch,
    url,
    peerUrl,
    rack,
    incarnationId,
    isFenced: false,
    isDraining: false,
  }
  const before = candidatesWith(image, { ...broker, isFenced: true })
  const after = candidatesWith(image, broker)
  const changes = standingRecords(image, facts, nodeId, (partition, minInsyncReplicas) => {
    const without = elect(leaveIsr(partition, nodeId, minInsyncReplicas), before, minInsyncReplicas)
    return elect(without, after, minInsyncReplicas)
  })
  return { records: [{ kind: 'registerBroker', ...broker }, ...changes], response: epoch }
}

/** The broker was not heard of in time: nothing is placed on it or led by it until it is heard of again. */
export function decideFence(image: ClusterImage, broker: BrokerImage, facts: BrokerFacts): Decision<null> {
  if (broker.isFenced) return { records: [], response: null }
  const candidates = candidatesWith(image, { ...broker, isFenced: true })
  return {
    records: [
      { kind: 'brokerChange', nodeId: broker.nodeId, epoch: broker.epoch, isFenced: true, isDraining: null },
      ...leaveRecords(image, broker.nodeId, candidates, facts),
    ],
    response: null,
  }
}

/** The broker is heard of again: it may lead what nobody leads, if it has every committed record. */
export function decideUnfence(image: ClusterImage, broker: BrokerImage, facts: BrokerFacts): Decision<null> {
  if (!broker.isFenced) return { records: [], response: null }
  const candidates = candidatesWith(image, { ...broker, isFenced: false })
  const changes = standingRecords(image, facts, broker.nodeId, (partition, minInsyncReplicas) =>
    elect(partition, candidates, minInsyncReplicas),
  )
  return {
    records: [
      { kind: 'brokerChange', nodeId: broker.nodeId, epoch: broker.epoch, isFenced: false, isDraining: null },
      ...changes,
    ],
    response: null,
  }
}

/**
 * The broker wants to stop: it gives up what others in sync can lead and leaves the ISRs that others are in. Asked
 * again, it moves what has become movable since; no records means that it may stop.
 */
export function decideDrain(image: ClusterImage, broker: BrokerImage, facts: BrokerFacts): Decision<null> {
  if (broker.isFenced) return { records: [], response: null }
  const { nodeId, epoch } = broker
  const candidates = candidatesWith(image, { ...broker, isDraining: true })
  const changes = standingRecords(image, facts, nodeId, (partition, minInsyncReplicas) => {
    const others = partition.isr.some(id => id !== nodeId && candidates.isAvailable(id))
    return others ? elect(leaveIsr(partition, nodeId, minInsyncReplicas), candidates, minInsyncReplicas) : partition
  })
  if (broker.isDraining) return { records: changes, response: null }
  return {
    records: [{ kind: 'brokerChange', nodeId, epoch, isFenced: null, isDraining: true }, ...changes],
    response: null,
  }
}

/** What min.insync.replicas means for a topic. */
export function minInsyncReplicasOf({ configs }: TopicImage, facts: BrokerFacts): number {
  return Number(configs.get('min.insync.replicas') ?? facts.minInsyncReplicas)
}

function leaveRecords(
  image: ClusterImage,
  nodeId: NodeId,
  candidates: Candidates,
  facts: BrokerFacts,
): MetadataRecord[] {
  return standingRecords(image, facts, nodeId, (partition, minInsyncReplicas) =>
    elect(leaveIsr(partition, nodeId, minInsyncReplicas), candidates, minInsyncReplicas),
  )
}

/** The candidates as they are once `changed` stands in the image. */
function candidatesWith(image: ClusterImage, changed: BrokerImage): Candidates {
  const brokerOf = (id: NodeId): BrokerImage | undefined => (id === changed.nodeId ? changed : image.brokers.get(id))
  return {
    isAlive: id => brokerOf(id)?.isFenced === false,
    isAvailable: id => {
      const broker = brokerOf(id)
      return broker !== undefined && isAvailable(broker)
    },
  }
}

/** A change for each partition that `nodeId` holds and `next` changes, or that it led before and leads after. */
function standingRecords(
  image: ClusterImage,
  facts: BrokerFacts,
  nodeId: NodeId,
  next: (partition: PartitionImage, minInsyncReplicas: number) => Standing,
): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const topic of image.topics.byId.values()) {
    const minInsyncReplicas = minInsyncReplicasOf(topic, facts)
    for (const [index, partition] of topic.partitions.entries()) {
      if (!partition.replicas.includes(nodeId)) continue
      const after = next(partition, minInsyncReplicas)
      if (after === partition) continue
      const isNewReign = partition.leaderId === nodeId && after.leaderId === nodeId
      const change = standingChange(topic.id, index, partition, after, isNewReign)
      if (change !== null) records.push(change)
    }
  }
  return records
}
