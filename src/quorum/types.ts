import type { LogIndex, NodeId, Term } from '../util/numbers.ts'

/** A committed entry on its way into the state machine. */
export interface CommittedEntry {
  readonly index: LogIndex
  readonly term: Term
  readonly data: Uint8Array
}

/**
 * What the quorum replicates. Called by the driver only, one call at a time, in log order, the same on every node:
 * `apply` must be a function of the state and the entries alone.
 */
export interface StateMachine {
  apply(entries: readonly CommittedEntry[]): void
  /** The whole state as of the last applied entry. */
  snapshot(): Uint8Array
  /** Replaces the whole state. */
  restore(snapshot: Uint8Array, lastIndex: LogIndex): void
}

export interface ReplicaStatus {
  readonly id: NodeId
  /** Exclusive; `null` when this node does not know. */
  readonly logEndIndex: LogIndex | null
  /** Monotonic clock of this node; `null` when unknown. */
  readonly lastCaughtUpMs: number | null
}

export interface QuorumStatus {
  readonly nodeId: NodeId
  readonly role: 'follower' | 'candidate' | 'leader' | 'learner'
  readonly term: Term
  readonly leaderId: NodeId | null
  /** Inclusive. */
  readonly commitIndex: LogIndex
  /** Inclusive. */
  readonly appliedIndex: LogIndex
  /** Exclusive. */
  readonly logEndIndex: LogIndex
  readonly snapshotIndex: LogIndex
  readonly voters: readonly ReplicaStatus[]
  readonly learners: readonly ReplicaStatus[]
}

/** A running member of a quorum. */
export interface Quorum extends AsyncDisposable {
  status(): QuorumStatus
  /**
   * Replicates `entries` as one batch. Resolves with the index of the last one once it is committed *and* applied here.
   * Rejects with `ApiError` `NOT_CONTROLLER` when this node is not (or no longer) leader before anything was appended or
   * when the tail was dropped, and `REQUEST_TIMED_OUT` when the outcome is not known in time. Appending happens before
   * the call returns, so two calls in a row are in that order in the log.
   */
  propose(entries: readonly Uint8Array[], timeoutMs: number): Promise<LogIndex>
  /** Resolves when this node, as leader, has proved that its applied state is current (ReadIndex, thesis section 6.4). */
  readBarrier(timeoutMs: number): Promise<void>
  /**
   * Called when this node becomes ready to lead (its own no-op of `term` is applied) with the term, and when it stops
   * leading with `null`. One listener; set before anything happens.
   */
  onLeadership(listener: (term: Term | null) => void): void
  /** Called after each change of the applied state, with the last applied index. */
  onApplied(listener: (appliedIndex: LogIndex) => void): void
}
