/**
 * The rules of replication that tests break one at a time to prove that they would see it (planted bugs). Nothing outside
 * `test/` and `simulation/` passes anything but `soundReplicationRules`.
 */
export const soundReplicationRules = {
  /** A follower refuses appends of an epoch that is over (KIP-320). */
  oldEpochsAreFenced: true,
  /** A follower accepts only where the record before has the leader's epoch (KIP-101; Raft, section 5.3). */
  logsMustMatch: true,
  /** What a follower holds under another epoch is no duplicate: it is cut off. */
  conflictsAreCut: true,
  /** A repeated or overtaken append cuts nothing off. */
  heldBatchesStay: true,
  /** A follower acknowledges what it has in common with this leader, not all it has. */
  onlyCommonPartIsAcknowledged: true,
  /** A follower acknowledges what is durable. */
  onlyDurableIsAcknowledged: true,
  /** A follower takes nothing for committed that it does not have in common with the leader. */
  highWatermarkStaysInCommonPart: true,

  /** The high watermark waits for every member of the ISR. */
  isrHoldsHighWatermark: true,
  /** A leader counts itself only as far as its own disk. */
  leaderCountsOwnDisk: true,
  /** The high watermark waits for those the controller may have added already (KIP-497). */
  proposedMembersCount: true,
  /** A shrunken ISR holds only from when the controller has committed it. */
  shrinkWaitsForController: true,
  /** Nothing commits with fewer in-sync replicas than effectiveMinIsr (KIP-966). */
  minIsrIsStrict: true,
  /** Who joins the ISR has everything that may be committed: also what an earlier leader committed. */
  joinersHaveEverything: true,
  /** An answer given under another registration is not counted (KIP-903). */
  brokerEpochsAreChecked: true,
  /** What a broker acknowledged in an earlier life is forgotten. */
  restartsAreForgetting: true,
  /** An answer to what was sent before a reset counts for nothing. */
  staleAnswersDoNotCount: true,
  /** A repeated or overtaken answer does not move `matchEnd` back. */
  matchEndOnlyRises: true,
} as const

export type ReplicationRules = { readonly [Rule in keyof typeof soundReplicationRules]: boolean }
