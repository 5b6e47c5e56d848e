/**
 * The rules of decisions about partitions that tests break one at a time to prove that they would see it (planted bugs).
 * Nothing outside `test/` and `simulation/` passes anything but `soundDecisionRules`.
 */
export interface DecisionRules {
  /** A leader that does not know the partition as it is decides nothing about it (KIP-497). */
  readonly checksPartitionEpochs: boolean
  /** A replica that has been registered anew since it was in sync is not (KIP-903). */
  readonly checksReplicaEpochs: boolean
  /** What was refused because a replica was not eligible is not granted to a late duplicate of the request. */
  readonly refusesForGood: boolean
  /** A broker whose logs may lack what it acknowledged is neither in sync nor eligible (KIP-966). */
  readonly distrustsLostLogs: boolean
  /** While a broker that has everything registers, nobody is elected who may lack some of it. */
  readonly whoHasAllComesFirst: boolean
  /** A leader must know of a higher min.insync.replicas before its ISR may shrink. */
  readonly tellsHigherMinIsr: boolean
  /** Nobody is eligible outside an ISR that can commit (KIP-966). */
  readonly eligibilityEnds: boolean
}

export const soundDecisionRules: DecisionRules = {
  checksPartitionEpochs: true,
  checksReplicaEpochs: true,
  refusesForGood: true,
  distrustsLostLogs: true,
  whoHasAllComesFirst: true,
  tellsHigherMinIsr: true,
  eligibilityEnds: true,
}
