/** What the metadata say about a partition, put together for the replica of it that is here. */
import { minIsrOf } from '../metadata/election.ts'
import type { MetadataImage, PartitionImage } from '../metadata/image.ts'
import { leaving } from '../metadata/reassignment.ts'
import type { ResolvedTopicConfig } from '../metadata/topic-configs.ts'
import type { LeaderTerms } from '../replication/leader-replica.ts'
import type { BrokerEpoch, LeaderEpoch, NodeId } from '../util/numbers.ts'

export interface PartitionTerms extends LeaderTerms {
  readonly leaderId: NodeId | null
  readonly uncleanEpoch: LeaderEpoch
  /** The metadata know this process: before, what they say of this node is about an earlier one. */
  readonly isRegistered: boolean
  readonly config: ResolvedTopicConfig
}

/**
 * Registrations of the brokers that may be in sync, and of `localId`: unfit, it leads what nobody else can, and must be
 * able to say who has caught up and can lead in its place.
 */
export function brokerEpochsOf(image: MetadataImage, localId: NodeId): ReadonlyMap<NodeId, BrokerEpoch> {
  const epochs = new Map<NodeId, BrokerEpoch>()
  for (const { nodeId, epoch, isFenced, isUnfit } of image.brokers.values()) {
    if (nodeId === localId || (!isFenced && !isUnfit)) epochs.set(nodeId, epoch)
  }
  return epochs
}

export function termsOf(
  partition: PartitionImage,
  config: ResolvedTopicConfig,
  brokers: { readonly isRegistered: boolean; readonly brokerEpochs: ReadonlyMap<NodeId, BrokerEpoch> },
): PartitionTerms {
  const { leaderId, leaderEpoch, partitionEpoch, replicas, isr, uncleanEpoch, offlineReplicas } = partition
  const { isRegistered, brokerEpochs } = brokers
  const effectiveMinIsr = minIsrOf(partition, config.minInsyncReplicas)
  return {
    leaderId,
    leaderEpoch,
    partitionEpoch,
    replicas,
    isr,
    uncleanEpoch,
    effectiveMinIsr,
    leaving: leaving(partition, config.minInsyncReplicas),
    isRegistered,
    brokerEpochs: offlineReplicas.length === 0 ? brokerEpochs : without(brokerEpochs, offlineReplicas),
    config,
  }
}

/** Whom the disk failed cannot be in sync, whatever it acknowledged before. */
function without(
  brokerEpochs: ReadonlyMap<NodeId, BrokerEpoch>,
  offlineReplicas: readonly NodeId[],
): ReadonlyMap<NodeId, BrokerEpoch> {
  return new Map([...brokerEpochs].filter(([id]) => !offlineReplicas.includes(id)))
}
