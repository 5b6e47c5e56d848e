/** The rules of replication that a variant of the model may leave out, and how much there is of everything. */
import type { ControllerRules } from './isr-controller.ts'

export interface Rules extends ControllerRules {
  /** A follower cuts its log where it differs from the leader's (KIP-101, KIP-279), not at its high watermark. */
  readonly truncatesWhereItDiffers: boolean
  /** An append is accepted only behind a record of the epoch it names (KIP-279). */
  readonly comparesEpochs: boolean
  /** An append of another leader epoch than the follower's is refused (KIP-320). */
  readonly fencesAppends: boolean
  /** An acknowledgement of another leader epoch than the leader's is ignored (KIP-320). */
  readonly fencesAcks: boolean
  /** Whom the leader has asked to be taken in it waits for from then on (KIP-497: the maximal ISR). */
  readonly waitsForJoining: boolean
  /** Whom it has asked to be taken out it waits for until the controller has done so (KIP-497). */
  readonly waitsForLeaving: boolean
  /** The high watermark moves only while the ISR has the minimum of members (KIP-966). */
  readonly strictMinIsr: boolean
  /** And only the members that the controller has committed count for that. */
  readonly countsOnlyCommittedIsr: boolean
  /** A follower joins when it has all that its leader began with, not only what that leader knows to be committed. */
  readonly joinsBeyondEpochStart: boolean
  /** A request that is refused because the version has moved on may be what moved it: the next version tells. */
  readonly keepsOvertakenProposal: boolean
  /** After any other refusal the leader takes back what it asked for only when it has asked once: a copy may still arrive. */
  readonly keepsRepeatedProposal: boolean
  /** What is acknowledged is on disk (flush.policy=sync). */
  readonly diskBeforeAck: boolean
  /** The leader counts itself only as far as its own disk. */
  readonly leaderCountsOwnDisk: boolean
  /** A broker that has started again does nothing before it has replayed its own registration. */
  readonly waitsForRegistration: boolean
}

export const soundRules: Rules = {
  electsOnlyEligible: true,
  distrustsDamaged: true,
  checksBrokerEpochs: true,
  checksPartitionEpoch: true,
  truncatesWhereItDiffers: true,
  comparesEpochs: true,
  fencesAppends: true,
  fencesAcks: true,
  waitsForJoining: true,
  waitsForLeaving: true,
  strictMinIsr: true,
  countsOnlyCommittedIsr: true,
  joinsBeyondEpochStart: true,
  keepsOvertakenProposal: true,
  keepsRepeatedProposal: true,
  diskBeforeAck: true,
  leaderCountsOwnDisk: true,
  waitsForRegistration: true,
}

export interface Scope {
  readonly brokerCount: number
  readonly minIsr: number
  readonly recordMax: number
  /** The first leader epoch is 0. */
  readonly epochMax: number
  /** Decisions of the controller that a broker may not have heard of. */
  readonly lagMax: number
  /** With `os` a record counts when it is in memory, and loss of power takes any part of what is. */
  readonly flushPolicy: 'sync' | 'os'
  readonly powerLossMax: number
  /** `loss`: only that committed records are nowhere any more, for traces that go to the bitter end. */
  readonly invariants: 'all' | 'loss'
  readonly rules: Rules
}
