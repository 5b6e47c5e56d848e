/**
 * The rules of the controller that tests break one at a time to prove that they would see it (planted bugs). Nothing
 * outside `test/` and `simulation/` passes anything but `soundControllerRules`.
 */
import { type DecisionRules, soundDecisionRules } from '../metadata/rules.ts'

export interface ControllerRules extends DecisionRules {
  /** A retried request gets its first answer and changes nothing (Raft, section 8). */
  readonly answersRetriesOnce: boolean
  /** A read that must be current asks the active controller first (thesis, section 6.4). */
  readonly provesReads: boolean
  /** What was decided on records that are not in the log is not built upon. */
  readonly dropsLostRecords: boolean
  /** What was decided is told when it is committed. */
  readonly answersWaitForCommit: boolean
  /** A broker that is silent for longer than its session is fenced. */
  readonly fencesSilentBrokers: boolean
  /** Only who is in sync or eligible is elected, where nothing else was allowed. */
  readonly electsOnlyEligible: boolean
  /** A topic that is created anew under its name has another id. */
  readonly topicIdsAreNew: boolean
}

export const soundControllerRules: ControllerRules = {
  ...soundDecisionRules,
  answersRetriesOnce: true,
  provesReads: true,
  dropsLostRecords: true,
  answersWaitForCommit: true,
  fencesSilentBrokers: true,
  electsOnlyEligible: true,
  topicIdsAreNew: true,
}
