/** What the rest of a node asks of its controller. */
import type { BrokerRegistration } from '../metadata/brokers.ts'
import type { MetadataImage, MetadataSource } from '../metadata/image.ts'
import type { Api } from '../protocol/api.ts'
import type { QuorumStatus } from '../quorum/types.ts'
import type { BrokerEpoch, NodeId } from '../util/numbers.ts'

export type { BrokerRegistration }

/** The controller of this process: decides while its quorum leads, and always holds a replica of the metadata. */
export interface Controller extends AsyncDisposable {
  readonly metadata: MetadataSource
  /** Of the cluster this node belongs to, for ever. */
  readonly clusterId: string
  /**
   * Serves createTopics, deleteTopics, createPartitions, alterConfigs (changes), and describeQuorum (ReadIndex first).
   * Rejects with `ApiError` `NOT_CONTROLLER` or `REQUEST_TIMED_OUT`; never guesses.
   */
  request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response>
  /** The image after everything that was committed anywhere before the call (ReadIndex). Rejects like `request`. */
  currentImage(): Promise<MetadataImage>
  /** How this node's member of the quorum stands. */
  status(): QuorumStatus
  /** The active controller as far as this node knows; `null` for none. */
  leaderId(): NodeId | null
  /**
   * Registers a broker, durably, and unfences it. The epoch must accompany its heartbeats. Rejects with
   * `DUPLICATE_BROKER_REGISTRATION` while another process of that id is heard of, `INCONSISTENT_CLUSTER_ID`, and like
   * `request`.
   */
  registerBroker(registration: BrokerRegistration): Promise<BrokerEpoch>
  /**
   * A broker says that it lives; `wantsShutdown` moves it to draining. Rejects with `STALE_BROKER_EPOCH` or
   * `BROKER_ID_NOT_REGISTERED`: register again; and like `request`.
   */
  heartbeat(
    nodeId: NodeId,
    epoch: BrokerEpoch,
    wantsShutdown: boolean,
  ): Promise<{ isFenced: boolean; mayStop: boolean }>
}
