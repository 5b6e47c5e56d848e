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
 * The safety rules that tests break one at a time to prove that they would see it (planted bugs). Nothing outside
 * `test/` passes anything but `soundRules`.
 */
export interface Rules {
  /** Votes, acknowledgements and terms leave only after they are on disk. */
  readonly diskBeforeWire: boolean
  /** A leader counts replicas only for entries of its own term (section 5.4.2). */
  readonly countOnlyOwnTerm: boolean
  /** A voter refuses a candidate whose log is behind its own (section 5.4.1). */
  readonly electionRestriction: boolean
  /** A voter votes once a term (section 5.2). */
  readonly oneVotePerTerm: boolean
  /** An append is accepted only where the entry before it matches (section 5.3). */
  readonly logMatching: boolean
  /** A leader counts itself only as far as its own disk. */
  readonly leaderCountsOwnDisk: boolean
  /** In joint consensus both majorities are needed (section 6). */
  readonly bothMajorities: boolean
  /** A truncation takes back what writes under way would have made durable. */
  readonly truncationClampsWrites: boolean
  /** What a server says that lost its disk does not count under its old number. */
  readonly knowsDisks: boolean
}

export const soundRules: Rules = {
  diskBeforeWire: true,
  countOnlyOwnTerm: true,
  electionRestriction: true,
  oneVotePerTerm: true,
  logMatching: true,
  leaderCountsOwnDisk: true,
  bothMajorities: true,
  truncationClampsWrites: true,
  knowsDisks: true,
}
