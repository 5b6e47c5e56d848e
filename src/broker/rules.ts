/**
 * The rules of a broker and its replicas that tests break one at a time to prove that they would see it (planted bugs). Nothing
 * outside `test/` and `simulation/` passes anything but `soundBrokerRules`.
 */
import { type ReplicationRules, soundReplicationRules } from '../replication/rules.ts'

export interface BrokerRules extends ReplicationRules {
  /** A produce with `acks` all is answered when the high watermark has passed it. */
  readonly acksWaitForReplicas: boolean
  /** A leader whose disk took records back that a follower may have gives up its epoch. */
  readonly givesUpWhatWasSent: boolean
  /** Batches that were on their way behind a refused one are refused. */
  readonly keepsSendOrder: boolean
  /** Nobody is handed what is at or above the high watermark. */
  readonly readsStopAtHighWatermark: boolean
  /** What a follower knew to be committed before an unclean election it knows no more. */
  readonly uncleanElectionsVoidHighWatermarks: boolean
  /** Before a log is cut, what its disk says to be committed is lowered. */
  readonly cutsLowerCheckpoints: boolean
  /** A reader learns that what it read is not in the log any more (KIP-595). */
  readonly readersLearnOfTruncation: boolean
  /** A leader that was replaced, and has not heard of it, tells no reader that what he read is gone. */
  readonly truncationIsToldByLeaders: boolean
  /** A process leads under its own registration: what an earlier one was given is not its to lead. */
  readonly leadsOnlyWhenRegistered: boolean
  /** What the log lost in a crash was not committed, as far as this replica can know. */
  readonly lostRecordsAreNotCommitted: boolean
  /** What the disk failed here is for others to lead. */
  readonly failedReplicasAreTold: boolean
  /** A broker whose page cache may be gone does not say that its logs are complete (KIP-966). */
  readonly lostCachesAreAdmitted: boolean
}

export const soundBrokerRules: BrokerRules = {
  ...soundReplicationRules,
  acksWaitForReplicas: true,
  givesUpWhatWasSent: true,
  keepsSendOrder: true,
  readsStopAtHighWatermark: true,
  uncleanElectionsVoidHighWatermarks: true,
  cutsLowerCheckpoints: true,
  readersLearnOfTruncation: true,
  truncationIsToldByLeaders: true,
  leadsOnlyWhenRegistered: true,
  lostRecordsAreNotCommitted: true,
  failedReplicasAreTold: true,
  lostCachesAreAdmitted: true,
}
