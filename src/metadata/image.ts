/**
 * The cluster as the metadata log describes it: the result of replaying committed records in order, the same on every
 * node. Images are never changed; `replay` returns a new one that shares what did not change, so a reader may keep one
 * for as long as it likes and the controller may keep a second one with its own records still in flight.
 */
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../util/numbers.ts'

export interface MetadataImage {
  readonly clusterId: string | null
  /** Offset of the last record replayed; -1 for none. */
  readonly lastOffset: Offset
  readonly brokers: ReadonlyMap<NodeId, BrokerImage>
  readonly topics: TopicsImage
  /** Dynamic configs of brokers by node id; topic configs stand in their topic. */
  readonly brokerConfigs: ReadonlyMap<NodeId, ReadonlyMap<string, string>>
  readonly featureLevel: number
  readonly sessions: SessionsImage
}

export interface BrokerImage {
  readonly nodeId: NodeId
  readonly epoch: BrokerEpoch
  /** Where clients reach it. */
  readonly url: string
  /** Where other nodes reach it; `null`: nowhere, so that it can hold no partition together with others. */
  readonly peerUrl: string | null
  readonly rack: string | null
  /** New with each start of the process: tells a restart from a second broker with the same id. */
  readonly incarnationId: string
  /** Not heard of. */
  readonly isFenced: boolean
  /** An operator wants it to lead nothing that others can; it follows as ever. */
  readonly isDraining: boolean
  /** It said that it is not to be relied on (it stops, its disk is full): it is in sync and leads only where nobody else can. */
  readonly isUnfit: boolean
}

export interface TopicsImage {
  readonly byName: ReadonlyMap<string, TopicImage>
  readonly byId: ReadonlyMap<string, TopicImage>
}

export interface TopicImage {
  readonly id: string
  readonly name: string
  /** Index is the partition number; never sparse. */
  readonly partitions: readonly PartitionImage[]
  readonly configs: ReadonlyMap<string, string>
}

export interface PartitionImage {
  /** The preferred leader first. */
  readonly replicas: readonly NodeId[]
  readonly isr: readonly NodeId[]
  /** Eligible leader replicas (KIP-966). */
  readonly elr: readonly NodeId[]
  readonly addingReplicas: readonly NodeId[]
  readonly removingReplicas: readonly NodeId[]
  readonly leaderId: NodeId | null
  /** Rises with every change of leader. */
  readonly leaderEpoch: LeaderEpoch
  /** Rises with every change of anything here. */
  readonly partitionEpoch: number
  /**
   * Leader epoch of the last election of a replica that was neither in sync nor eligible; -1 for none. Only across it may
   * a replica cut off what it knew to be committed.
   */
  readonly uncleanEpoch: LeaderEpoch
  /** Those that the disk of their broker failed, in the life in which it is registered: they neither lead nor are in sync. */
  readonly offlineReplicas: readonly NodeId[]
}

/** First answers of recent requests, so that a retry gets the same one: bounded, oldest client out first. */
export interface SessionsImage {
  readonly byClient: ReadonlyMap<string, { readonly requestId: number; readonly response: Uint8Array }>
}

/** What changed between two images, for those who must act on it: names and ids only, the images have the rest. */
export interface MetadataDelta {
  readonly changedTopicIds: ReadonlySet<string>
  readonly deletedTopicIds: ReadonlySet<string>
  readonly changedBrokers: ReadonlySet<NodeId>
  readonly changedBrokerConfigs: ReadonlySet<NodeId>
}

/** Where a node reads metadata: its own replica of the image, as far as it has been committed and applied here. */
export interface MetadataSource {
  image(): MetadataImage
  /** Called after each change with the new image and what differs from the one before. Returns the way to stop. */
  subscribe(listener: (image: MetadataImage, delta: MetadataDelta) => void): () => void
}
