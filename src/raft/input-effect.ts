/** The two closed lists between the core and whoever runs it: facts that go in, effects that come out. */
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import type { Message } from './messages.ts'
import type { Configuration, Entry, HardState, Member, Snapshot, SnapshotMeta } from './types.ts'

/**
 * `proposal` and `readIndex` only change memory; their writes and messages come with the next input of any other kind.
 * `flush` is the input that does nothing else: called once per turn it makes one batch of all that arrived in it.
 */
export type Input =
  | { readonly kind: 'tick' }
  /** `fromDisk`: the disk the sender remembers on; a member's message from another disk than the known one is not its own. */
  | { readonly kind: 'message'; readonly message: Message; readonly fromDisk?: string }
  | { readonly kind: 'proposal'; readonly entries: readonly Uint8Array[] }
  | { readonly kind: 'flush' }
  /** Every write up to and including this number survives power loss. */
  | { readonly kind: 'persisted'; readonly write: number }
  | { readonly kind: 'readIndex'; readonly id: number }
  | { readonly kind: 'transfer'; readonly to: NodeId }
  | {
      readonly kind: 'changeMembership'
      readonly voters: readonly NodeId[]
      readonly learners: readonly NodeId[]
      readonly members?: readonly Member[]
    }
  /**
   * A server outside the configuration wants to follow: while this one leads it is fed like a learner. Said again of the
   * same disk it changes nothing; of another one, or of none that is known, it begins anew.
   */
  | { readonly kind: 'observe'; readonly id: NodeId; readonly diskId?: string }
  /** It is gone, or must not be fed any more. */
  | { readonly kind: 'unobserve'; readonly id: NodeId }
  /** To a blank server: begin a cluster of these members. Whoever is fed by another one is never told this. */
  | { readonly kind: 'found'; readonly configuration: Configuration }
  /** No connection with it is left. If it led, it has probably died: nobody waits for the whole election timeout. */
  | { readonly kind: 'peerGone'; readonly id: NodeId }
  /** Do not wait for the election timeout. */
  | { readonly kind: 'campaign' }
  /** An own snapshot is on disk; entries up to `discardUpTo` (inclusive) left the disk with the same write. */
  | { readonly kind: 'snapshotSaved'; readonly meta: SnapshotMeta; readonly discardUpTo: LogIndex }
  /** The end of a `sendSnapshot`, whatever it was: without it the follower would wait for ever. */
  | { readonly kind: 'snapshotSent'; readonly to: NodeId; readonly isDelivered: boolean }

export type Refusal =
  | 'notLeader'
  | 'transferring'
  | 'tooManyUncommittedBytes'
  | 'notReady'
  | 'changeUnderWay'
  | 'badTarget'

export type Effect =
  /** One atomic write, in the order of the numbers. Answered by `persisted`. */
  | {
      readonly kind: 'persist'
      readonly write: number
      readonly hardState: HardState | null
      readonly truncateFrom: LogIndex | null
      readonly entries: readonly Entry[]
    }
  /** As `persist`, replacing the log and the snapshot whole. The state machine changes only at `restore`. */
  | {
      readonly kind: 'persistSnapshot'
      readonly write: number
      readonly hardState: HardState
      readonly snapshot: Snapshot
    }
  /** `persisted`: not before every write of this step and of all steps before it is durable. */
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: Message; readonly after: 'now' | 'persisted' }
  /** Send the newest saved snapshot, as leader of `term`. Answered by `snapshotSent`. */
  | { readonly kind: 'sendSnapshot'; readonly to: NodeId; readonly term: Term; readonly round: number }
  /** The log lost `from` and everything after it: a newer leader did not have it. The disk learns it with a `persist`. */
  | { readonly kind: 'truncated'; readonly from: LogIndex }
  /** Committed and on this server's disk, dense and in order, each exactly once. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  | { readonly kind: 'restore'; readonly snapshot: Snapshot }
  /** The term this server is ready to lead (its no-op is applied), or `null`: it no longer leads. */
  | { readonly kind: 'leadership'; readonly term: Term | null }
  | { readonly kind: 'accepted'; readonly firstIndex: LogIndex; readonly lastIndex: LogIndex; readonly term: Term }
  | { readonly kind: 'refused'; readonly input: Input['kind']; readonly reason: Refusal }
  /** What is applied up to `index` answers read `id`. */
  | { readonly kind: 'readReady'; readonly id: number; readonly index: LogIndex }
  /** Leadership was lost, or never there, before the read was confirmed. */
  | { readonly kind: 'readRefused'; readonly id: number }
