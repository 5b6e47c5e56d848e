/**
 * What one server says to another. Every message names its sender and the sender's term; a message of an older term is
 * never acted upon, one of a newer term ends the receiver's own (section 5.1), with the two exceptions of PreVote, whose
 * `term` is the one the sender *would* campaign in.
 */
import type { LogIndex, NodeId, Term } from '../util/numbers.ts'
import type { Entry, Snapshot } from './types.ts'

interface Headed {
  readonly from: NodeId
  readonly term: Term
}

/** Asks whether an election could be won, without starting one (thesis, section 9.6). `term` is the sender's plus one. */
export interface PreVote extends Headed {
  readonly kind: 'preVote'
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** Counts the sender's campaigns, so that an answer to an earlier one is not taken for this one. */
  readonly campaign: number
}

/** `term` is the asked one when granted, the voter's own when not: that is how a server left behind learns the term. */
export interface PreVoteReply extends Headed {
  readonly kind: 'preVoteReply'
  readonly isGranted: boolean
  readonly campaign: number
}

export interface RequestVote extends Headed {
  readonly kind: 'requestVote'
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** The leader itself asked for this election: a voter need not protect it (thesis, section 3.10). */
  readonly isTransfer: boolean
}

export interface RequestVoteReply extends Headed {
  readonly kind: 'requestVoteReply'
  readonly isGranted: boolean
}

export interface AppendEntries extends Headed {
  readonly kind: 'appendEntries'
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  readonly commitIndex: LogIndex
  /** Echoed by the answer: proves to a ReadIndex that the sender still led after this round began. */
  readonly round: number
}

/** Everything up to `matchIndex` is on the sender's disk and equal to the leader's log of this term. */
export interface AppendEntriesReply extends Headed {
  readonly kind: 'appendEntriesReply'
  readonly matchIndex: LogIndex
  readonly round: number
}

/** The entry at `prevIndex` is missing or of another term; the hint lets the leader skip a whole term at once (section 5.3). */
export interface AppendEntriesRefused extends Headed {
  readonly kind: 'appendEntriesRefused'
  readonly prevIndex: LogIndex
  /** Term of the conflicting entry; `null` when the log ends before it. */
  readonly conflictTerm: Term | null
  /** First index of `conflictTerm`, or the first index the log does not have. */
  readonly conflictIndex: LogIndex
  readonly round: number
}

export interface Heartbeat extends Headed {
  readonly kind: 'heartbeat'
  /** Never above what the receiver has acknowledged. */
  readonly commitIndex: LogIndex
  /** Of the entry at `commitIndex`: the receiver commits only what it can tell to be the same. */
  readonly commitTerm: Term
  readonly round: number
}

export interface HeartbeatReply extends Headed {
  readonly kind: 'heartbeatReply'
  readonly round: number
}

/** A whole, verified snapshot. How it travels in pieces is the driver's business. Answered by `AppendEntriesReply`. */
export interface InstallSnapshot extends Headed {
  readonly kind: 'installSnapshot'
  readonly snapshot: Snapshot
  readonly round: number
}

/** The leader hands over: campaign now, without PreVote. */
export interface TimeoutNow extends Headed {
  readonly kind: 'timeoutNow'
}

/** Answers a leader of an older term, which would otherwise never hear of the newer one. */
export interface StaleTerm extends Headed {
  readonly kind: 'staleTerm'
}

export type Message =
  | PreVote
  | PreVoteReply
  | RequestVote
  | RequestVoteReply
  | AppendEntries
  | AppendEntriesReply
  | AppendEntriesRefused
  | Heartbeat
  | HeartbeatReply
  | InstallSnapshot
  | TimeoutNow
  | StaleTerm
