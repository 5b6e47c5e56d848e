/** What the core, its storage and its driver say to each other. Terms and indexes as in Ongaro's thesis. */
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'

/** One entry of the replicated log. `data` is opaque to Raft unless `kind` is `configuration`. */
export interface Entry {
  readonly index: LogIndex
  readonly term: Term
  /** `noop` opens a leader's term (section 8); `configuration` changes the voters (section 6). */
  readonly kind: 'data' | 'noop' | 'configuration'
  readonly data: Uint8Array
}

/** What a server must not forget: written in one piece, before any message that depends on it leaves. */
export interface HardState {
  readonly term: Term
  /** Who got this server's vote in `term`. */
  readonly votedFor: NodeId | null
}

/**
 * Who decides. `oldVoters` is empty except during joint consensus, when a majority of both sets is needed.
 * A server that is in neither is a learner or removed.
 */
export interface Configuration {
  readonly voters: readonly NodeId[]
  readonly oldVoters: readonly NodeId[]
  readonly learners: readonly NodeId[]
  /** The cluster, by the name it was founded under; absent only where there is nothing but a core. */
  readonly clusterId?: string
  /** One of each voter, old voter and learner; absent as above. */
  readonly members?: readonly Member[]
}

/**
 * Who a member is beyond its number. A server that lost its disk has forgotten its vote and its log: under the same
 * number it is somebody else, and `diskId` tells (as the directory id of KIP-853).
 */
export interface Member {
  readonly id: NodeId
  readonly diskId: string
  /** Where it listens for other members. Opaque to the core. */
  readonly url: string
}

/** Describes a snapshot: the state after applying everything up to and including `index`. */
export interface SnapshotMeta {
  readonly index: LogIndex
  readonly term: Term
  readonly configuration: Configuration
}

export interface Snapshot {
  readonly meta: SnapshotMeta
  readonly data: Uint8Array
}
