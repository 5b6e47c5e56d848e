import type { Api } from '../protocol/api.ts'
import type { MetadataSource } from '../metadata/image.ts'
import type { BrokerEpoch, NodeId } from '../util/numbers.ts'

/** What a broker says of itself when it starts. */
export interface BrokerRegistration {
  readonly nodeId: NodeId
  readonly incarnationId: string
  readonly url: string
  readonly rack: string | null
  readonly clusterId: string | null
}

/** The controller of this process: decides while its quorum leads, and always holds a replica of the metadata. */
export interface Controller extends AsyncDisposable {
  readonly metadata: MetadataSource
  /** The cluster id, once the first record of a new cluster is committed. */
  readonly clusterId: string
  /**
   * Serves createTopics, deleteTopics, createPartitions, alterConfigs (changes), and describeQuorum (ReadIndex first).
   * Rejects with `ApiError` `NOT_CONTROLLER` or `REQUEST_TIMED_OUT`; never guesses.
   */
  request<Request, Response>(api: Api<Request, Response>, body: Request): Promise<Response>
  /** Registers a broker, durably, and unfences it. The epoch must accompany its heartbeats. */
  registerBroker(registration: BrokerRegistration): Promise<BrokerEpoch>
  /** A broker says that it lives; `wantsShutdown` moves it to draining. Rejects with `STALE_BROKER_EPOCH`. */
  heartbeat(nodeId: NodeId, epoch: BrokerEpoch, wantsShutdown: boolean): Promise<{ isFenced: boolean; mayStop: boolean }>
}
