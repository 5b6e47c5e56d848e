/** The steps of a replicated partition: appends, elections, changes of the ISR, crashes. */
import type { Emit, Model } from './explore.ts'
import { alterPartition, fence, isSame, move, register, type Terms } from './isr-controller.ts'
import { brokenIn, lossIn } from './isr-invariants.ts'
import type { Scope } from './isr-rules.ts'
import {
  type Broker,
  countOf,
  type Epoch,
  epochAt,
  knownVersion,
  type Liveness,
  leadingVersion,
  newEpoch,
  partitionEpochOf,
  recordOf,
  requestOf,
  type State,
  toRequest,
  type Version,
  versionOf,
  withBroker,
  withEpoch,
  withoutDeadFacts,
} from './isr-state.ts'
import { canonicalKey } from './isr-symmetry.ts'
import { describeLog, describeSet, describeState } from './isr-text.ts'
import { isIn, replaced } from './raft-state.ts'
import { type Renaming, renamings } from './symmetry.ts'

export class IsrModel implements Model<State> {
  readonly initial: State
  readonly #scope: Scope
  readonly #terms: Terms
  readonly #liveness: Liveness
  readonly #renamings: readonly Renaming[]

  constructor(scope: Scope) {
    this.#scope = scope
    const { brokerCount, epochMax, minIsr, rules } = scope
    const replicas = (1 << brokerCount) - 1
    this.#terms = { minIsr, rules, replicas }
    const idle: Broker = { log: '', flushedCount: 0, highWatermark: 0, known: 0, proposal: 0 }
    const nothing = newEpoch(brokerCount)
    this.initial = {
      brokers: new Array<Broker>(brokerCount).fill(idle),
      versions: [{ epoch: 0, leader: 0, isr: replicas, elr: 0 }],
      epochs: Array.from({ length: epochMax + 1 }, (_, epoch) => (epoch === 0 ? { ...nothing, leader: 0 } : nothing)),
      committed: '',
      recordCount: 0,
      powerLossCount: 0,
    }
    this.#liveness = {
      oldEpochAppends: !rules.fencesAppends,
      oldEpochAcks: !rules.fencesAcks,
      oldRequests: !rules.checksPartitionEpoch,
    }
    this.#renamings = renamings(brokerCount, [])
  }

  keyOf(state: State): string {
    return canonicalKey(state, this.#renamings)
  }

  describe(state: State): string {
    return describeState(state)
  }

  expand(state: State, emit: Emit<State>): void {
    const say: Emit<State> = (next, broken, label) => {
      emit(withoutDeadFacts(next, this.#liveness), broken ?? this.#brokenIn(next), label)
    }
    const version = versionOf(state)
    this.#decide(state, state, move(version, this.#terms), say, () => 'the controller elects')
    for (const [i, broker] of state.brokers.entries()) {
      this.#decide(state, state, fence(version, i, this.#terms), say, () => `the controller fences ${i + 1}`)
      this.#restart(state, i, say)
      if (broker.flushedCount < broker.log.length) this.#flush(state, i, say)
      if (broker.known < partitionEpochOf(state)) this.#learn(state, i, say)
      const own = leadingVersion(state, i)
      if (own === null) {
        for (let epoch = 0; epoch < state.epochs.length; epoch++) this.#follow(state, i, epoch, say)
      } else {
        this.#produce(state, i, own, say)
        this.#commit(state, i, own, say)
        this.#propose(state, i, own, say)
      }
    }
    this.#answer(state, say)
  }

  #brokenIn(state: State): string | null {
    if (this.#scope.invariants === 'loss') return lossIn(state)
    const { minIsr, rules } = this.#scope
    return brokenIn(state, rules.electsOnlyEligible ? minIsr - state.powerLossCount : 0)
  }

  /**
   * Under `sync` all that was acknowledged survives. Under `os` it does where the broker stopped in order; where the power
   * failed it does not.
   */
  #restart(state: State, i: number, emit: Emit<State>): void {
    const { flushPolicy, powerLossMax } = this.#scope
    const { log, flushedCount } = state.brokers[i]!
    this.#register(state, i, flushPolicy === 'sync' ? flushedCount : log.length, false, emit, () => `${i + 1} restarts`)
    if (flushPolicy === 'sync' || state.powerLossCount >= powerLossMax) return
    const next = { ...state, powerLossCount: state.powerLossCount + 1 }
    for (let count = 0; count <= log.length; count++) {
      const label = () => `${i + 1} restarts after a loss of power, without ${describeLog(log.slice(count))}`
      this.#register(next, i, count, true, emit, label)
    }
  }

  /** Broker `i` begins a new life, in which it knows of all that was decided before. */
  #register(state: State, i: number, count: number, isDamaged: boolean, emit: Emit<State>, label: () => string): void {
    const { rules } = this.#scope
    const broker = { ...cut(state.brokers[i]!, count), flushedCount: count, proposal: 0 }
    if (!rules.waitsForRegistration) {
      emit(withBroker(state, i, broker), null, label)
      return
    }
    const before = versionOf(state)
    const next = { ...state, epochs: state.epochs.map(facts => inNewLife(facts, i)) }
    const begin: Emit<State> = (decided, broken) => {
      const known = partitionEpochOf(decided)
      const { epoch, leader } = versionOf(decided)
      // Whoever leads again leads a new epoch. All others follow in one that is new to them: nothing was acknowledged.
      const isNewEpoch = leader !== i || epoch > before.epoch
      emit(this.#begin(decided, i, { ...broker, known }, isNewEpoch), broken, label)
    }
    this.#decide(state, next, register(before, i, isDamaged, this.#terms), begin, label)
  }

  #flush(state: State, i: number, emit: Emit<State>): void {
    const broker = state.brokers[i]!
    emit(withBroker(state, i, { ...broker, flushedCount: broker.log.length }), null, () => `${i + 1} writes its log`)
  }

  /** Broker `i` replays the next version. */
  #learn(state: State, i: number, emit: Emit<State>): void {
    const broker = state.brokers[i]!
    const { epoch } = knownVersion(state, broker)
    const known = broker.known + 1
    const version = state.versions[known]!
    emit(
      this.#begin(state, i, { ...broker, known, proposal: 0 }, version.epoch > epoch),
      null,
      () => `${i + 1} learns of version ${known}`,
    )
  }

  /** Broker `i` takes its part in the epoch that it knows. */
  #begin(state: State, i: number, broker: Broker, isNewEpoch: boolean): State {
    const { epoch, leader } = knownVersion(state, broker)
    if (!isNewEpoch) return withBroker(state, i, broker)
    if (leader === i) {
      const { log, highWatermark } = broker
      const facts = { ...newEpoch(state.brokers.length), leader, log, startOffset: log.length, highWatermark }
      return withEpoch(withBroker(state, i, broker), epoch, facts)
    }
    if (this.#scope.rules.truncatesWhereItDiffers) return withBroker(state, i, broker)
    return withBroker(state, i, cut(broker, broker.highWatermark))
  }

  #produce(state: State, i: number, { epoch }: Version, emit: Emit<State>): void {
    if (state.recordCount >= this.#scope.recordMax) return
    const broker = state.brokers[i]!
    const value = state.recordCount + 1
    const log = broker.log + recordOf(epoch, value)
    // In memory: its disk comes later, others may be faster.
    const flushedCount = this.#scope.flushPolicy === 'os' ? log.length : broker.flushedCount
    const next = withBroker({ ...state, recordCount: value }, i, { ...broker, log, flushedCount })
    emit(withEpoch(next, epoch, { ...state.epochs[epoch]!, log }), null, () => `${i + 1} appends ${epoch}:${value}`)
  }

  /** Broker `i` receives what the leader of `epoch` sent. */
  #follow(state: State, i: number, epoch: number, emit: Emit<State>): void {
    const facts = state.epochs[epoch]!
    if (facts.leader < 0 || facts.leader === i) return
    if (this.#scope.rules.fencesAppends && knownVersion(state, state.brokers[i]!).epoch !== epoch) return
    for (let offset = 0; offset < facts.log.length; offset++) this.#receive(state, i, epoch, offset, emit)
    const broker = state.brokers[i]!
    if (!this.#scope.rules.truncatesWhereItDiffers && broker.log.length > facts.log.length) {
      const next = withBroker(state, i, cut(broker, facts.log.length))
      emit(
        next,
        null,
        () => `${i + 1} is ahead of the leader of epoch ${epoch} and cuts its log to ${facts.log.length}`,
      )
    }
    const highWatermark = Math.min(facts.highWatermark, facts.acks[i]!)
    if (highWatermark > broker.highWatermark) {
      emit(
        withBroker(state, i, { ...broker, highWatermark }),
        null,
        () => `${i + 1} hears of the high watermark ${highWatermark}`,
      )
    }
  }

  /** An append of one record, which is at `offset` in the leader's log, behind all that comes before it there. */
  #receive(state: State, i: number, epoch: number, offset: number, emit: Emit<State>): void {
    const { truncatesWhereItDiffers, comparesEpochs, diskBeforeAck } = this.#scope.rules
    const facts = state.epochs[epoch]!
    const broker = state.brokers[i]!
    const { log } = broker
    if (offset > log.length) return
    const isSameAt = (at: number): boolean => epochAt(log, at) === epochAt(facts.log, at)
    const isComparing = truncatesWhereItDiffers && comparesEpochs
    if (isComparing && offset > 0 && !isSameAt(offset - 1)) return
    const isHere = offset < log.length && (!truncatesWhereItDiffers || isSameAt(offset))
    const isAcked = facts.acks[i]! > offset
    if (isHere && isAcked) return
    const record = facts.log[offset]!
    const kept = isHere ? broker : cut(broker, offset)
    const nextLog = isHere ? log : kept.log + record
    const flushedCount = diskBeforeAck ? nextLog.length : kept.flushedCount
    const next = withBroker(state, i, { ...kept, log: nextLog, flushedCount })
    const acks = isAcked ? facts.acks : replaced(facts.acks, i, offset + 1)
    const isLoss = this.#scope.invariants === 'all' && !isHere && offset < broker.highWatermark
    emit(
      withEpoch(next, epoch, { ...facts, acks }),
      isLoss ? `no truncation below the high watermark: ${i + 1} cuts its log to ${offset}` : null,
      () => `${i + 1} gets ${describeLog(record)} at ${offset} from the leader of epoch ${epoch}`,
    )
  }

  /** The high watermark of leader `i` moves as far as it may. */
  #commit(state: State, i: number, version: Version, emit: Emit<State>): void {
    const { minIsr, rules, invariants } = this.#scope
    const broker = state.brokers[i]!
    const { proposal } = broker
    const counted = rules.countsOnlyCommittedIsr ? version.isr : version.isr | proposal
    if (rules.strictMinIsr && countOf(counted) < minIsr) return
    let waited = version.isr
    if (rules.waitsForJoining) waited |= proposal
    if (!rules.waitsForLeaving && proposal !== 0) waited &= proposal
    let count = broker.log.length
    for (let j = 0; j < state.brokers.length; j++) {
      if (isIn(waited, j)) count = Math.min(count, this.#endOf(state, i, version.epoch, j))
    }
    if (count <= broker.highWatermark) return
    const prefix = broker.log.slice(0, count)
    const committed = prefix.length > state.committed.length ? prefix : state.committed
    let next = withBroker({ ...state, committed }, i, { ...broker, highWatermark: count })
    next = withEpoch(next, version.epoch, { ...state.epochs[version.epoch]!, highWatermark: count })
    const holders = state.brokers.filter(({ log }) => log.startsWith(prefix)).length
    let broken: string | null = null
    if (!committed.startsWith(prefix) || !committed.startsWith(state.committed)) {
      broken = `consistent read: ${describeLog(state.committed)} was committed, and now ${describeLog(prefix)}`
    } else if (rules.strictMinIsr && holders < minIsr - state.powerLossCount)
      broken = `strict min ISR: ${holders} hold ${describeLog(prefix)}`
    emit(next, invariants === 'all' ? broken : null, () => `${i + 1} moves its high watermark to ${count}`)
  }

  /** Exclusive end of what leader `i` knows `j` to have. */
  #endOf(state: State, i: number, epoch: number, j: number): number {
    const { leaderCountsOwnDisk, fencesAcks } = this.#scope.rules
    const { log, flushedCount } = state.brokers[i]!
    if (i === j) return leaderCountsOwnDisk ? flushedCount : log.length
    if (fencesAcks) return ackOf(state.epochs[epoch]!, j)
    return Math.max(...state.epochs.map(facts => ackOf(facts, j)))
  }

  /** Leader `i` asks for a change of the ISR: for one member less at any time, for one more when it has caught up. */
  #propose(state: State, i: number, { isr, epoch }: Version, emit: Emit<State>): void {
    const broker = state.brokers[i]!
    if (broker.proposal !== 0) return
    const facts = state.epochs[epoch]!
    const { highWatermark, known } = broker
    const due = this.#scope.rules.joinsBeyondEpochStart ? Math.max(highWatermark, facts.startOffset) : highWatermark
    for (let j = 0; j < state.brokers.length; j++) {
      if (j === i) continue
      const send = (outdated: number, acks: Pick<Epoch, 'acks' | 'oldAcks'>, how: string): void => {
        const proposal = isr ^ (1 << j)
        const request = requestOf({ partitionEpoch: known, isr: proposal, outdated })
        const requests = facts.requests.includes(request)
          ? facts.requests
          : [...facts.requests, request].sort((a, b) => a - b)
        const next = withEpoch(state, epoch, { ...facts, ...acks, requests })
        emit(
          withBroker(next, i, { ...broker, proposal }),
          null,
          () => `${i + 1} asks for ISR ${describeSet(proposal)}${how}`,
        )
      }
      const { acks, oldAcks } = facts
      if (isIn(isr, j)) send(0, facts, '')
      // From here on the ends it acknowledged in former lives are forgotten.
      else if (acks[j]! >= due) send(0, { acks, oldAcks: replaced(oldAcks, j, 0) }, '')
      if (!isIn(isr, j) && oldAcks[j]! > 0 && oldAcks[j]! >= due) send(1 << j, facts, ' on an old acknowledgement')
    }
  }

  /** The controller receives requests of the leader. */
  #answer(state: State, emit: Emit<State>): void {
    const version = versionOf(state)
    const { epoch, leader } = version
    const facts = state.epochs[epoch]!
    const { rules } = this.#scope
    for (const code of leader < 0 ? [] : facts.requests) {
      const request = toRequest(code)
      const isr = describeSet(request.isr)
      const after = alterPartition(version, request, partitionEpochOf(state), this.#terms)
      if (after !== null) this.#decide(state, state, [after], emit, () => `the controller makes the ISR ${isr}`)
      // It may also believe a new member to be gone. Sent once and refused, the request is no more: the leader may ask again.
      const isOnly = rules.keepsRepeatedProposal
      const requests = isOnly ? facts.requests.filter(other => other !== code) : facts.requests
      const gone = withEpoch(state, epoch, { ...facts, requests })
      const isHeard = leadingVersion(state, leader)?.epoch === epoch
      const next = isHeard ? withBroker(gone, leader, { ...state.brokers[leader]!, proposal: 0 }) : gone
      emit(next, null, () => `the controller refuses the ISR ${isr}`)
    }
    if (rules.keepsOvertakenProposal) return
    for (const [i, broker] of state.brokers.entries()) {
      if (broker.proposal === 0 || broker.known === partitionEpochOf(state)) continue
      emit(withBroker(state, i, { ...broker, proposal: 0 }), null, () => `${i + 1} asks again and is refused`)
    }
  }

  /** Each of the versions may be what follows on the one in force; one that is the same is none. */
  #decide(before: State, next: State, versions: readonly Version[], emit: Emit<State>, label: () => string): void {
    const { epochMax, lagMax } = this.#scope
    const present = versionOf(before)
    const lag = lagOf(before)
    for (const version of versions) {
      if (isSame(present, version)) {
        if (next !== before) emit(next, null, label)
      } else if (version.epoch <= epochMax && lag < lagMax) {
        emit({ ...next, versions: [...before.versions, version] }, null, label)
      }
    }
  }
}

const ackOf = ({ acks, oldAcks }: Epoch, j: number): number => Math.max(acks[j]!, oldAcks[j]!)

function cut(broker: Broker, count: number): Broker {
  const { log, flushedCount, highWatermark } = broker
  return {
    ...broker,
    log: log.slice(0, count),
    flushedCount: Math.min(flushedCount, count),
    highWatermark: Math.min(highWatermark, count),
  }
}

/** Decisions that not all have heard of. */
function lagOf(state: State): number {
  let oldest = partitionEpochOf(state)
  for (const { known } of state.brokers) oldest = Math.min(oldest, known)
  return partitionEpochOf(state) - oldest
}

/** What broker `i` acknowledged before it started again, and the requests that name it, are of a former life. */
function inNewLife(facts: Epoch, i: number): Epoch {
  const { acks, oldAcks } = facts
  if (acks[i] === 0 && facts.requests.length === 0) return facts
  const requests = facts.requests.map(code => {
    const request = toRequest(code)
    return isIn(request.isr, i) ? requestOf({ ...request, outdated: request.outdated | (1 << i) }) : code
  })
  return { ...facts, acks: replaced(acks, i, 0), oldAcks: replaced(oldAcks, i, ackOf(facts, i)), requests }
}
