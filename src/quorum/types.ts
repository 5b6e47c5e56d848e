import type { LogIndex, NodeId, Term } from '../util/numbers.ts'

/** A committed entry on its way into the state machine. */
export interface CommittedEntry {
  readonly index: LogIndex
  readonly term: Term
  readonly data: Uint8Array
}

/**
 * What the quorum replicates. Called by the driver only, in log order, the same on every node: `apply` must be a function
 * of the state and the entries alone.
 */
export interface StateMachine {
  apply(entries: readonly CommittedEntry[]): void
  /**
   * The whole state as of the last applied entry, in pieces. They are pulled over several turns of the event loop while
   * entries go on being applied: the iterator holds on to the state as it is now. A small machine returns `[bytes]`.
   */
  snapshot(): Iterable<Uint8Array>
  /**
   * Replaces the whole state. Run to its end over several turns, and nothing is applied meanwhile; the state that others
   * see changes only with the very last step. A small machine is a generator that never yields.
   */
  restore(snapshot: Uint8Array, lastIndex: LogIndex): Iterable<void>
}

export interface ReplicaStatus {
  readonly id: NodeId
  /** `null` where no disk is known under that number. */
  readonly diskId: string | null
  /** Where it listens for other members; `null` when unknown. */
  readonly url: string | null
  /** Exclusive; `null` when this node does not know. */
  readonly logEndIndex: LogIndex | null
  /** Monotonic clock of this node; `null` when unknown. */
  readonly lastCaughtUpMs: number | null
}

export interface QuorumStatus {
  readonly nodeId: NodeId
  /** `null` until this node's log belongs to one. */
  readonly clusterId: string | null
  /** `learner`: follows without a vote, as an observer does. */
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
  /** How many of the voters are there: this node, and those it has a connection with. */
  readonly votersHeard: number
  readonly learners: readonly ReplicaStatus[]
  /** In no configuration and fed all the same; only the leader knows of them. */
  readonly observers: readonly ReplicaStatus[]
}

/** A running member of a quorum. */
export interface Quorum extends AsyncDisposable {
  status(): QuorumStatus
  /**
   * Replicates `entries` as one batch. Resolves with the index of the last one once it is committed *and* applied here.
   * Rejects with `ApiError` `NOT_CONTROLLER` when this node is not (or no longer) leader before anything was appended or
   * another entry was committed in its place, `REQUEST_TIMED_OUT` when the outcome is not known (in time), and `MESSAGE_TOO_LARGE` for an
   * entry that no message could carry. Appending happens before the call returns, so two calls in a row are in that order
   * in the log.
   */
  propose(entries: readonly Uint8Array[], timeoutMs: number): Promise<LogIndex>
  /** Resolves when this node, as leader, has proved that its applied state is current (ReadIndex, thesis section 6.4). */
  readBarrier(timeoutMs: number): Promise<void>
  /**
   * Makes `id` a voter: a learner first, promoted when it has caught up. `url`: where it listens for other members; `null`
   * when it introduced itself already. Resolves when it counts, at once when it does already. Rejects with `ApiError`
   * `NOT_CONTROLLER`, `DUPLICATE_VOTER` (a voter of that number has another disk), `INVALID_REQUEST`, `REQUEST_TIMED_OUT`.
   * After any of them some steps may be done or may still be; asking again, whoever leads, is safe and goes on from there.
   */
  addVoter(id: NodeId, url: string | null, timeoutMs: number): Promise<void>
  /**
   * Takes a voter or learner out, this leader included. Resolves when the configuration without it is committed and alone.
   * Rejects with `NOT_CONTROLLER`, `VOTER_NOT_FOUND`, `INVALID_REQUEST` (the only voter) or `REQUEST_TIMED_OUT`; asking
   * again is safe.
   */
  removeVoter(id: NodeId, timeoutMs: number): Promise<void>
  /**
   * Hands leadership to `to`, or to the voter that has most. Resolves with who leads afterwards. Rejects with
   * `NOT_CONTROLLER`, `VOTER_NOT_FOUND`, `INVALID_REQUEST` (there is no other voter) or `REQUEST_TIMED_OUT`.
   */
  transfer(to: NodeId | null, timeoutMs: number): Promise<NodeId>
  /**
   * Called when this node becomes ready to lead (its own no-op of `term` is applied) with the term, and when it stops
   * leading with `null`. One listener; set before anything happens.
   */
  onLeadership(listener: (term: Term | null) => void): void
  /** Called when this node learns that another node leads, or that it knows of none. One listener. */
  onLeader(listener: (leaderId: NodeId | null) => void): void
  /** Called after each change of the applied state, with the last applied index. */
  onApplied(listener: (appliedIndex: LogIndex) => void): void
}
