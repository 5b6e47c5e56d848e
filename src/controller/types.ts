/** What the rest of a node asks of its controller. */
import type { BrokerRegistration, PartitionPlace } from '../metadata/brokers.ts'
import type { MetadataImage, MetadataSource } from '../metadata/image.ts'
import type { Api } from '../protocol/api.ts'
import type { QuorumStatus } from '../quorum/types.ts'
import type { BrokerEpoch, NodeId } from '../util/numbers.ts'

export type { BrokerRegistration, PartitionPlace }

/**
 * `fence`: it cannot serve for now, others shall not count on it. `shutdown`: the same, for good; it is told when what it
 * leads is led by others.
 */
export type BrokerWants = 'serve' | 'fence' | 'shutdown'

/** The controller as this node has it: decides while it leads, and always holds a replica of the metadata. */
export interface Controller extends AsyncDisposable {
  readonly metadata: MetadataSource
  /** Of the cluster this node belongs to, for ever. */
  readonly clusterId: string
  /**
   * Asks the active controller, wherever it is: createTopics, deleteTopics, createPartitions, alterConfigs,
   * electLeaders, alterPartitionReassignments, drainBroker (changes, seen here when they are answered), alterPartition (seen
   * here when the metadata get here), describeQuorum (ReadIndex first), addRaftVoter, removeRaftVoter, transferLeadership.
   * Rejects with what it refuses with, `NOT_CONTROLLER` when nobody leads, `REQUEST_TIMED_OUT` when the outcome is open,
   * `NETWORK_EXCEPTION` when it is and the request has no session to be made again with; never guesses.
   */
  request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response>
  /**
   * Answers such a request for another node: as the active controller, or with `NOT_CONTROLLER` and who it is. What other
   * nodes ask for themselves as well: brokerRegistration, brokerHeartbeat, alterPartition, readIndex.
   */
  answer<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response>
  /**
   * The image of this node once it has everything that was committed anywhere before the call (ReadIndex). Rejects like
   * `request`, after `timeoutMs` at the latest.
   */
  currentImage(timeoutMs?: number): Promise<MetadataImage>
  /** How this node's member of the quorum stands. */
  status(): QuorumStatus
  /** The active controller as far as this node knows; `null` for none. */
  leaderId(): NodeId | null
  /** Calls `listener` whenever that changes. Returns the way to stop. */
  onLeader(listener: (leaderId: NodeId | null) => void): () => void
  /**
   * Registers a broker with the active controller, durably, and unfences it. The epoch must accompany its heartbeats. Rejects with
   * `DUPLICATE_BROKER_REGISTRATION` while another process of that id is heard of, `INCONSISTENT_CLUSTER_ID`, and like
   * `request`.
   */
  registerBroker(registration: BrokerRegistration): Promise<BrokerEpoch>
  /**
   * A broker says that it lives, and what it can do: `offline` are partitions that its disk failed. Rejects with `STALE_BROKER_EPOCH` or `BROKER_ID_NOT_REGISTERED`:
   * register again; and like `request`.
   */
  heartbeat(
    nodeId: NodeId,
    epoch: BrokerEpoch,
    wants: BrokerWants,
    offline?: readonly PartitionPlace[],
  ): Promise<{ isFenced: boolean; mayStop: boolean }>
}
