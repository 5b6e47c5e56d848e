/** The core's limits, and the rules a test may switch off to see whether it would notice. */
import { assert, assertAtMost } from '../util/assert.ts'
import { KiB, MiB } from '../util/units.ts'

export interface RaftOptions {
  /** A follower campaigns after between one and two of these without a leader; a leader without a quorum leaves after one. */
  readonly electionTimeoutTicks: number
  readonly heartbeatTicks: number
  /** Entries of one AppendEntries; a single larger entry still goes. */
  readonly appendBytesMax: number
  /** AppendEntries under way to one follower. */
  readonly inFlightCountMax: number
  readonly inFlightBytesMax: number
  /** A leader refuses proposals above it; one larger proposal is accepted when nothing else waits. */
  readonly uncommittedBytesMax: number
}

export const defaultRaftOptions: RaftOptions = {
  electionTimeoutTicks: 10,
  heartbeatTicks: 2,
  appendBytesMax: 256 * KiB,
  inFlightCountMax: 64,
  inFlightBytesMax: 8 * MiB,
  uncommittedBytesMax: 64 * MiB,
}

export function checkRaftOptions(options: RaftOptions): void {
  assert(options.heartbeatTicks >= 1, 'heartbeatTicks >= 1')
  // Two heartbeats may be lost before a follower gives up on its leader.
  assertAtMost(options.heartbeatTicks * 3, options.electionTimeoutTicks, 'heartbeatTicks * 3 <= electionTimeoutTicks')
  assert(options.appendBytesMax >= 1 && options.inFlightCountMax >= 1, 'append limits >= 1')
  assertAtMost(options.appendBytesMax, options.inFlightBytesMax, 'appendBytesMax <= inFlightBytesMax')
}

/**
 * The rules that tests break one at a time to prove that they would see it (planted bugs). Nothing outside `test/` and
 * `simulation/` passes anything but `soundRules`.
 */
export const soundRules = {
  /** Votes, acknowledgements and terms leave only after they are on disk. */
  diskBeforeWire: true,
  /** A truncation takes back what writes under way would have made durable. */
  truncationClampsWrites: true,
  /** Nothing is applied before it is on the own disk. */
  onlyDurableIsApplied: true,
  /** What a server says that lost its disk does not count under its old number. */
  knowsDisks: true,

  /** A voter votes once a term (section 5.2). */
  oneVotePerTerm: true,
  /** A voter refuses a candidate whose log is behind its own (section 5.4.1). */
  electionRestriction: true,
  /** Who waits too long asks whether it could win before it begins a term (thesis, section 9.6). */
  preVote: true,
  /** Who hears from a leader lets nobody depose it (thesis, section 4.2.3). */
  leaderIsDefended: true,
  /** A leader that hears no quorum gives up (thesis, section 6.2). */
  checkQuorum: true,

  /** An append is accepted only where the entry before it matches (section 5.3). */
  logMatching: true,
  /** An append removes only what conflicts with it (section 5.3). */
  matchingSuffixStays: true,
  /** An answer of an older term counts for nothing. */
  staleAnswersDoNotCount: true,
  /** A repeated or overtaken answer does not move `matchIndex` back. */
  matchIndexOnlyRises: true,
  /** A leader counts replicas only for entries of its own term (section 5.4.2). */
  countOnlyOwnTerm: true,
  /** A leader counts itself only as far as its own disk. */
  leaderCountsOwnDisk: true,
  learnersDoNotCount: true,
  observersDoNotCount: true,

  /** In joint consensus both majorities are needed (section 6). */
  bothMajorities: true,
  /** The next change of membership waits until the one before is committed. */
  oneChangeAtATime: true,
  /** A leader changes nothing before it has committed an entry of its own term (Ongaro, raft-dev, 2015). */
  changesWaitForOwnTerm: true,
  /** A configuration goes with the entry that brought it. */
  truncationRestoresConfiguration: true,

  /** A received snapshot that is not newer than what is committed changes nothing (section 7). */
  snapshotsOnlyMoveForward: true,
  /** A snapshot carries the configuration of its own index. */
  snapshotsKeepTheirConfiguration: true,

  /** A read is answered only by a leader that has committed in its own term (section 8). */
  readsWaitForOwnTerm: true,
  /** A read is answered only after a round of heartbeats that began after it was asked (thesis, section 6.4). */
  readsProveLeadership: true,
} as const

export type Rules = { readonly [Rule in keyof typeof soundRules]: boolean }
