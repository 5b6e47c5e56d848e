/** What a member of a quorum is opened with. Times are milliseconds here and ticks in the core. */
import type { Effect, Input } from '../raft/input-effect.ts'
import { defaultRaftOptions, type RaftOptions, type Rules } from '../raft/options.ts'
import type { Raft } from '../raft/state.ts'
import type { RaftStorage } from '../raft/storage.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import { GiB, KiB, MiB } from '../util/units.ts'
import type { PeerTransport } from './peer-port.ts'
import type { QuorumRules } from './rules.ts'
import type { StateMachine } from './types.ts'

export interface QuorumTiming {
  /** The resolution of everything below, and of the timeouts of proposals and reads. */
  readonly tickMs: number
  /** A follower waits between one and two of these; a leader without quorum or disk leaves after one. */
  readonly electionTimeoutMs: number
  readonly heartbeatMs: number
  /** How long writing or restoring a snapshot may keep the event loop at a time. */
  readonly sliceMs: number
}

export interface SnapshotPolicy {
  /** A snapshot is taken when so many entries were applied since the last one… */
  readonly entriesMax: number
  /** …or so many bytes of them. */
  readonly bytesMax: number
  /** Entries kept behind a snapshot for followers that are a little late. */
  readonly retainedEntries: number
}

export interface QuorumOptions {
  readonly nodeId: NodeId
  /** Opened by the caller and closed by it, after the quorum. */
  readonly storage: RaftStorage
  /**
   * The first voters of a new cluster and where each listens for the others: the same on all of them. They found it when
   * all are there and blank; from then on the log says who votes, and these are only addresses to begin with.
   */
  readonly voters: ReadonlyMap<NodeId, string>
  /** Where this member listens for the others. */
  readonly url: string
  readonly stateMachine: StateMachine
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly peers: PeerTransport
  readonly timing?: Partial<QuorumTiming>
  readonly snapshots?: Partial<SnapshotPolicy>
  /** Size of the pieces in which a snapshot travels. */
  readonly chunkBytes?: number
  /** A larger one is not accepted from anybody; the memory of one is set aside while it is received. */
  readonly snapshotBytesMax?: number
  /** Sizes and counts of the core. */
  readonly limits?: Partial<Omit<RaftOptions, 'electionTimeoutTicks' | 'heartbeatTicks'>>
  /** Only tests break rules. */
  readonly rules?: Partial<QuorumRules> | undefined
  readonly coreRules?: Partial<Rules> | undefined
  /** Hears of every step of the core; for simulations, which check it. */
  readonly observer?: CoreObserver
  /**
   * Called once, when the storage failed, the state machine threw, or an invariant broke. The quorum has stopped; what
   * reached the disk is unknown. The process must end.
   */
  readonly onFatal: (error: Error) => void
}

export interface CoreObserver {
  started(raft: Raft): void
  /** Before any of `effects` is performed. */
  stepped(raft: Raft, input: Input, effects: readonly Effect[]): void
}

/** A Node process pauses for its garbage and its disk: nearer a second than the paper's 150 ms. */
export const defaultTiming: QuorumTiming = { tickMs: 50, electionTimeoutMs: 1000, heartbeatMs: 150, sliceMs: 5 }

export const defaultSnapshotPolicy: SnapshotPolicy = { entriesMax: 20_000, bytesMax: 32 * MiB, retainedEntries: 1_000 }

/** Of one proposed entry: it travels in one message, and a message in one frame. */
export const entryBytesMax = 32 * MiB

export const defaultChunkBytes = 256 * KiB
export const defaultSnapshotBytesMax = GiB

export function raftOptionsOf(options: QuorumOptions, timing: QuorumTiming): RaftOptions {
  return {
    ...defaultRaftOptions,
    ...options.limits,
    electionTimeoutTicks: Math.max(3, Math.ceil(timing.electionTimeoutMs / timing.tickMs)),
    heartbeatTicks: Math.max(1, Math.floor(timing.heartbeatMs / timing.tickMs)),
  }
}
