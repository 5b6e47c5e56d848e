/**
 * The rules of a broker's replicas that tests break one at a time to prove that they would see it (planted bugs). Nothing
 * outside `test/` and `simulation/` passes anything but `soundBrokerRules`.
 */
import { type ReplicationRules, soundReplicationRules } from '../replication/rules.ts'

export interface BrokerRules extends ReplicationRules {
  /** A produce with `acks` all is answered when the high watermark has passed it. */
  readonly acksWaitForReplicas: boolean
  /** A follower answers an append when its disk has it. */
  readonly answersWaitForDisk: boolean
  /** A leader whose disk took records back that a follower may have gives up its epoch. */
  readonly givesUpWhatWasSent: boolean
  /** Batches that were on their way behind a refused one are refused. */
  readonly keepsSendOrder: boolean
}

export const soundBrokerRules: BrokerRules = {
  ...soundReplicationRules,
  acksWaitForReplicas: true,
  answersWaitForDisk: true,
  givesUpWhatWasSent: true,
  keepsSendOrder: true,
}
