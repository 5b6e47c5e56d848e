/**
 * The driver's own rules, which tests break one at a time to prove that a simulated quorum would show it (planted bugs).
 * Nothing outside `test/` passes anything but `soundQuorumRules`.
 */
export interface QuorumRules {
  /** A message leaves only when every write it promises is durable. */
  readonly messagesWaitForDisk: boolean
  /** A read barrier ends only when what it may see is applied here. */
  readonly readsWaitForApply: boolean
  /** Pieces of a snapshot, and the whole, are compared with their checksums. */
  readonly chunksAreChecked: boolean
  /** The state machine changes to a received snapshot only when it is on this disk. */
  readonly restoreWaitsForDisk: boolean
  /** At a start nothing of the log is applied before the core says that it is committed. */
  readonly logIsAppliedOnce: boolean
  /** A snapshot holds the state of its index and nothing later. */
  readonly snapshotIsOfItsIndex: boolean
  /** A proposal is answered when it is committed and applied, not when it is appended. */
  readonly proposalsWaitForCommit: boolean
  /** Nobody founds a cluster before every voter of the settings was heard. */
  readonly foundersAreAllHeard: boolean
  /** Members of two clusters do not talk to each other. */
  readonly clustersKeepApart: boolean
}

export const soundQuorumRules: QuorumRules = {
  messagesWaitForDisk: true,
  readsWaitForApply: true,
  chunksAreChecked: true,
  restoreWaitsForDisk: true,
  logIsAppliedOnce: true,
  snapshotIsOfItsIndex: true,
  proposalsWaitForCommit: true,
  foundersAreAllHeard: true,
  clustersKeepApart: true,
}
