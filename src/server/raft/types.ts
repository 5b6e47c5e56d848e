/** `millrace/raft`: what a program sees of a replicated state machine of its own. */
import { ApiError } from '../../protocol/errors.ts'
import type { QuorumTiming, SnapshotPolicy } from '../../quorum/options.ts'
import type { QuorumStatus } from '../../quorum/types.ts'
import type { Logger } from '../../util/logger.ts'

/** A committed entry, on its way into the state machine. */
export interface RaftEntry {
  /** Its position in the log; grows, not by one: the log holds entries of Raft's own. */
  readonly index: number
  /** What was proposed. Valid after the call, too. */
  readonly data: Uint8Array
}

/**
 * What is replicated. Every member applies the same entries in the same order, so each method must be a function of the
 * state and its arguments alone: no clock, no randomness, no I/O. One that throws ends the process.
 */
export interface RaftStateMachine<Result> {
  /**
   * Changes the state and returns the answer for whoever proposed the entry. A refusal is an answer, too: it is returned,
   * not thrown.
   */
  apply(entry: RaftEntry): Result
  /**
   * The whole state as of the last applied entry, in one piece or in several. Pieces are taken over several turns of the
   * event loop while entries go on being applied: the iterator holds on to the state as it was.
   */
  snapshot(): Uint8Array | Iterable<Uint8Array>
  /**
   * Replaces the whole state. A large one may be prepared in slices (a generator, run to its end over several turns);
   * then only its very last step changes what is seen.
   */
  restore(snapshot: Uint8Array): void | Iterable<void>
}

/** Who asks, and which of its requests it is. Numbers of one client grow, and it asks one at a time. */
export interface RaftSession {
  readonly clientId: string
  readonly requestId: number
}

export interface SessionOptions {
  /** Clients remembered; beyond it the one that was silent longest is forgotten. Default 10,000. */
  readonly clientsMax?: number
}

export interface RaftOptions<Result> {
  /** A positive integer; never used for another member again. */
  readonly nodeId: number
  /**
   * The first voters and where each listens for the others (`{ 1: 'ws://10.0.0.1:7001', … }`). The same on every member;
   * once the group is founded what counts is in its log.
   */
  readonly voters: Readonly<Record<number, string>>
  /** Where this member listens; by default its address in `voters`. `ws://0.0.0.0:7001` listens everywhere. */
  readonly listen?: string
  /** Where the others reach it, if not at its address in `voters` or at `listen`. */
  readonly url?: string
  /** Members do not authenticate each other: other addresses than loopback are refused unless their network is private. */
  readonly allowInsecureListener?: boolean
  /** Where log and snapshots are kept; one process at a time. */
  readonly dataDir?: string
  /** Instead of `dataDir`: keep nothing. A member that comes back has lost its vote and must be removed and added again. */
  readonly inMemory?: boolean
  readonly stateMachine: RaftStateMachine<Result>
  /**
   * Remember each client's latest request and its answer in the replicated state, so that a retry is applied once. Then
   * answers are plain data (JSON). Decided when the group is founded, the same on every member, for ever.
   */
  readonly sessions?: boolean | SessionOptions
  readonly timing?: Partial<QuorumTiming>
  readonly snapshots?: Partial<SnapshotPolicy>
  /** By default stderr, warnings and errors. */
  readonly logger?: Logger
  /**
   * The disk failed, the state machine threw, or an invariant broke; nothing this member says can be relied on. By
   * default the process ends at once; whoever passes a function of his own must end it.
   */
  readonly onFatal?: (error: Error) => void
}

export interface RaftCallOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number
}

export interface ProposeOptions extends RaftCallOptions {
  /** Only of a group with `sessions`. */
  readonly session?: RaftSession
}

export type RaftStatus = QuorumStatus

/** A running member. */
export interface Raft<Result> extends AsyncDisposable {
  readonly nodeId: number
  /** Where the others reach it. */
  readonly url: string
  /** Who leads, as far as this member knows. */
  readonly leaderId: number | null
  status(): RaftStatus
  /**
   * Replicates `data` and resolves with what `apply` returned for it here, once it is committed and applied. Proposals
   * made one after the other are applied in that order. Rejects with
   * - `NotLeaderError` (`NOT_CONTROLLER`): this member does not lead, or lost the lead and with it the entry;
   * - `ApiError` `REQUEST_TIMED_OUT`: nobody knows whether it will be applied;
   * - `ApiError` `BROKER_OVERLOADED`: too much is under way, nothing was proposed;
   * - `ApiError` `INVALID_REQUEST`: the session has asked something newer since.
   */
  propose(data: Uint8Array, options?: ProposeOptions): Promise<Result>
  /** The same for several entries: they are committed together, each with its answer. */
  propose(data: readonly Uint8Array[], options?: RaftCallOptions): Promise<Result[]>
  /**
   * Resolves when this member, leader or not, has applied everything that was acknowledged by any member before the call.
   * Rejects with `NotLeaderError` when no leader is known, `REQUEST_TIMED_OUT`, or `NETWORK_EXCEPTION` (the leader went).
   */
  readBarrier(options?: RaftCallOptions): Promise<void>
  /** Adds a voter that listens at `url`; resolves when it has caught up and counts. */
  addVoter(nodeId: number, url: string, options?: RaftCallOptions): Promise<void>
  /** Resolves when the group no longer counts on it. */
  removeVoter(nodeId: number, options?: RaftCallOptions): Promise<void>
  /** Hands leadership to `to`, or to whoever is ahead; resolves with who leads then. */
  transfer(to: number | null, options?: RaftCallOptions): Promise<number>
  /** Called with the term when this member begins to lead and with `null` when it ends. Returns how to stop listening. */
  onLeadership(listener: (term: number | null) => void): () => void
  /** Stops. What was proposed and has no outcome yet is rejected as unknown. Idempotent. */
  close(): Promise<void>
}

/** This member does not lead the group. */
export class NotLeaderError extends ApiError {
  /** Who does, as far as this member knows. */
  readonly leaderId: number | null
  /** Where that one listens for other members. */
  readonly leaderUrl: string | null

  constructor(leaderId: number | null, leaderUrl: string | null, options?: ErrorOptions) {
    const who = leaderId === null ? 'nobody does that it knows of' : `node ${leaderId} at ${leaderUrl} does`
    super('NOT_CONTROLLER', `This member does not lead: ${who}.`, options)
    this.leaderId = leaderId
    this.leaderUrl = leaderUrl
  }
}
