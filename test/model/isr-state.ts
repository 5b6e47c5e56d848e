/**
 * The state of one replicated partition and of what the controller has decided about it, for the model checker. Written
 * from the text of the KIPs (101, 279, 320, 497, 903, 966) and from the design of Millrace, in which the leader pushes;
 * and from nothing of `src/replication`, so that the two can disagree.
 *
 * As in `raft-state.ts` the network is the set of all that was ever sent, kept as facts: from the log of an epoch's
 * leader follow all its appends, from the highest acknowledgement all lower ones. Any of it may arrive late, out of order,
 * several times, or never. What nobody can act upon any more is dropped (`withoutDeadFacts`).
 *
 * A broker that is gone is one that takes no steps. What a crash takes from it is taken when it comes back, and whether
 * the controller believes it to be alive is not kept: at every decision it may believe either.
 */
import { replaced } from './raft-state.ts'

/** A record is one character (leader epoch and value), a log a string of them. */
export type Log = string

export interface Broker {
  readonly log: Log
  /** Records of `log` that are on disk; the rest goes with a crash. */
  readonly flushedCount: number
  readonly highWatermark: number
  /** Partition epoch of the newest version it has replayed: brokers learn late, but in order, and only from the controller. */
  readonly known: number
  /** Bit set: the ISR that this leader asked for and of which it does not know what became; 0 for none. */
  readonly proposal: number
}

/** What the controller has decided. */
export interface Version {
  readonly epoch: number
  /** Number of a broker, or -1. */
  readonly leader: number
  /** Bit sets of brokers. */
  readonly isr: number
  readonly elr: number
}

/** What was sent in one leader epoch. */
export interface Epoch {
  readonly leader: number
  /** All its leader ever had: it only appends. */
  readonly log: Log
  /** Log end offset of the leader when it began. */
  readonly startOffset: number
  readonly highWatermark: number
  /** Exclusive ends that the brokers acknowledged in their present lives, and the highest of their former lives. */
  readonly acks: readonly number[]
  readonly oldAcks: readonly number[]
  /** AlterPartition requests under way, ascending; see `requestOf`. */
  readonly requests: readonly number[]
}

export interface State {
  readonly brokers: readonly Broker[]
  /** By partition epoch, from the first to the one in force. */
  readonly versions: readonly Version[]
  /** By leader epoch. */
  readonly epochs: readonly Epoch[]
  /** Everything that was ever below a high watermark. */
  readonly committed: Log
  readonly recordCount: number
  readonly powerLossCount: number
}

const valueCountMax = 32
/** Records are characters that are nothing else in a key. */
const recordBase = 0x100

export const recordOf = (epoch: number, value: number): Log =>
  String.fromCharCode(recordBase + epoch * valueCountMax + value)
export const epochAt = (log: Log, offset: number): number =>
  Math.floor((log.charCodeAt(offset) - recordBase) / valueCountMax)
export const valueAt = (log: Log, offset: number): number => (log.charCodeAt(offset) - recordBase) % valueCountMax

export interface Request {
  readonly partitionEpoch: number
  readonly isr: number
  /** Bit set of the members whose broker epochs in it are no longer theirs. */
  readonly outdated: number
}

export const requestOf = ({ partitionEpoch, isr, outdated }: Request): number =>
  (partitionEpoch << 8) | (isr << 4) | outdated
export const toRequest = (code: number): Request => {
  return { partitionEpoch: code >> 8, isr: (code >> 4) & 15, outdated: code & 15 }
}

export const versionOf = ({ versions }: State): Version => versions[versions.length - 1]!
export const partitionEpochOf = ({ versions }: State): number => versions.length - 1

export const knownVersion = ({ versions }: State, { known }: Broker): Version => versions[known]!

/** The version by which broker `i` leads, if it believes that it does. */
export function leadingVersion(state: State, i: number): Version | null {
  const version = knownVersion(state, state.brokers[i]!)
  return version.leader === i ? version : null
}

export function countOf(mask: number): number {
  let count = 0
  for (let rest = mask; rest > 0; rest >>= 1) count += rest & 1
  return count
}

/** Nothing was sent in it; one object for each number of brokers, so that it is cheap to recognise. */
export function newEpoch(brokerCount: number): Epoch {
  let epoch = newEpochs[brokerCount]
  if (epoch === undefined) {
    const zeros = new Array<number>(brokerCount).fill(0)
    epoch = { leader: -1, log: '', startOffset: 0, highWatermark: 0, acks: zeros, oldAcks: zeros, requests: [] }
    newEpochs[brokerCount] = epoch
  }
  return epoch
}

const newEpochs: Epoch[] = []

export function withBroker(state: State, i: number, broker: Broker): State {
  return { ...state, brokers: replaced(state.brokers, i, broker) }
}

export function withEpoch(state: State, number: number, epoch: Epoch): State {
  return { ...state, epochs: replaced(state.epochs, number, epoch) }
}

/** Which of the facts below a variant without a rule can still use. */
export interface Liveness {
  readonly oldEpochAppends: boolean
  readonly oldEpochAcks: boolean
  readonly oldRequests: boolean
}

/** The same state without facts that no later step can use: there are far fewer of those. */
export function withoutDeadFacts(state: State, alive: Liveness): State {
  const brokers = state.brokers.map((broker, i) => withoutIdleVersions(state, broker, i))
  const lean = { ...state, brokers }
  const epochs = state.epochs.map((epoch, number) => withoutDeadFactsOf(lean, epoch, number, alive))
  return { ...lean, epochs }
}

/** For whoever does not lead, a version of an epoch that it knows already changes nothing. */
function withoutIdleVersions(state: State, broker: Broker, i: number): Broker {
  if (leadingVersion(state, i) !== null) return broker
  const { epoch } = knownVersion(state, broker)
  let { known } = broker
  while (known < partitionEpochOf(state) && state.versions[known + 1]!.epoch === epoch) known++
  return known === broker.known ? broker : { ...broker, known }
}

function withoutDeadFactsOf(state: State, facts: Epoch, epoch: number, alive: Liveness): Epoch {
  const nothing = newEpoch(state.brokers.length)
  if (facts === nothing) return facts
  const { leader } = facts
  const isLeading = leadingVersion(state, leader)?.epoch === epoch
  const isInForce = versionOf(state).epoch === epoch
  const epochs = state.brokers.map(broker => knownVersion(state, broker).epoch)
  const isHeard = epochs.some((own, i) => i !== leader && (own <= epoch || alive.oldEpochAppends))
  if (!isLeading && !isHeard) return alive.oldEpochAcks ? facts : nothing
  const isCounted = isLeading || alive.oldEpochAcks
  // A follower learns the high watermark as far as it has acknowledged.
  const acks = isCounted ? facts.acks : facts.acks.map((ack, i) => (epochs[i] === epoch ? ack : 0))
  const oldAcks = isCounted ? facts.oldAcks.map((ack, i) => (ack > acks[i]! ? ack : 0)) : nothing.oldAcks
  const requests = isInForce
    ? facts.requests.filter(code => alive.oldRequests || toRequest(code).partitionEpoch === partitionEpochOf(state))
    : nothing.requests
  return { ...facts, acks, oldAcks, requests }
}
