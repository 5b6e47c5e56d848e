/**
 * One partition on this broker: its log, its role in the replication, and those who wait for it. Produces wait for the
 * local durable end (`acks=1`) or for the high watermark (`acks=all`), fetches for the high watermark to move. The log
 * reports progress once per group commit; everyone it concerns is released in that turn, in the order they came.
 *
 *   resting (not registered, epoch given up, log being cut) ◄──► leading | following
 *
 * What a role knows ends with its epoch. What the partition knows to be committed does not.
 */
import type { AppendResult, PartitionLog, TopicPartition } from '../log/types.ts'
import type { ResolvedTopicConfig } from '../metadata/topic-configs.ts'
import { ApiError, type ErrorName, type Failure } from '../protocol/errors.ts'
import { epochBefore, type Hint, readerDivergence } from '../replication/divergence.ts'
import { assertAtMost } from '../util/assert.ts'
import { StorageError } from '../util/errors.ts'
import { type LeaderEpoch, noEpoch, type Offset } from '../util/numbers.ts'
import { MiB, secondMs } from '../util/units.ts'
import { type Acks, type AppendWaiter, AppendWaiters } from './append-waiters.ts'
import { Following, type ReplicaAppend } from './following.ts'
import { Leading, type ReplicaEnvironment } from './leading.ts'
import type { PartitionTerms } from './partition-terms.ts'

/** A fetch that waits for more bytes below the high watermark, or for anything to change. */
export interface FetchWaiter {
  onBytesCommitted(bytes: number): void
  onPartitionChanged(): void
}

export interface PartitionOptions {
  readonly env: ReplicaEnvironment
  readonly log: PartitionLog
  readonly terms: PartitionTerms
  /** What an earlier process knew to be committed; may be above the end of the log. */
  readonly highWatermark: Offset
  /** The disk failed under the log, after it was opened; called once. */
  readonly onFailure: (partition: Partition, error: Error) => void
  /** An invariant broke. */
  readonly onFatal: (error: Error) => void
}

/**
 * Bytes a log may hold that the disk has not taken. Requests count as in flight until theirs are durable, which bounds
 * a disk that is slow; this bounds one that stands still while requests time out.
 */
const pendingBytesMax = 64 * MiB
/** How long a leader that has given up its epoch waits for the controller to find another one. */
const givenUpMsMax = 10 * secondMs

export class Partition {
  readonly id: TopicPartition
  readonly log: PartitionLog
  /** Bytes that passed the high watermark since this object exists: a fetch compares two readings. */
  committedBytes = 0
  readonly #options: PartitionOptions
  readonly #waiters = new AppendWaiters()
  readonly #fetches = new Set<FetchWaiter>()
  #terms: PartitionTerms
  #role: Leading | Following | null = null
  /** Exclusive end of what is committed, as far as this replica knows, and the leader epoch it learned that in. */
  #highWatermark: Offset
  #highWatermarkEpoch: number
  /** The epoch in which records were taken back that a follower may have. */
  #givenUpEpoch: number = noEpoch
  #isBeingCut = false
  /** Why nothing is served for ever: closed, or the disk failed. */
  #ended: Failure | null = null

  constructor(options: PartitionOptions) {
    const { log, terms, highWatermark } = options
    this.id = log.id
    this.log = log
    this.#options = options
    this.#terms = terms
    const isOpen = log.failure === null
    const knownEnd = options.env.rules.lostRecordsAreNotCommitted ? log.logEndOffset : highWatermark
    this.#highWatermark = isOpen ? Math.max(log.logStartOffset, Math.min(highWatermark, knownEnd)) : 0
    this.#highWatermarkEpoch = isOpen ? epochBefore(log, this.#highWatermark) : noEpoch
    log.onProgress(() => this.#onLogProgress())
    log.onAppendFailure(({ fromOffset, error }) =>
      this.#onAppendsTakenBack(fromOffset, { error: error.code, message: error.message }),
    )
    if (log.failure === null) this.#takeRole()
    else this.end({ error: 'KAFKA_STORAGE_ERROR', message: log.failure.message })
  }

  get config(): ResolvedTopicConfig {
    return this.#terms.config
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#terms.leaderEpoch
  }

  get isLeader(): boolean {
    return this.leading !== null
  }

  /** The role of leader, while it is the partition's. */
  get leading(): Leading | null {
    return this.#role?.kind === 'leading' ? this.#role : null
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** Exclusive end of what read committed sees: no transaction can be open, so it is the high watermark. */
  get lastStableOffset(): Offset {
    return this.#highWatermark
  }

  /** Fewer in-sync replicas than `min.insync.replicas`. */
  get isUnderMinIsr(): boolean {
    return this.leading !== null && !this.hasMinIsr
  }

  /** Whether `acks=all` may be accepted now. */
  get hasMinIsr(): boolean {
    return this.leading?.replica.hasMinIsr ?? false
  }

  /** Somebody else who has everything could lead at once. */
  get hasHeirs(): boolean {
    return (this.leading?.replica.isr.length ?? 0) > 1
  }

  /** What is produced now would be taken from it by another leader. */
  get isHandingOver(): boolean {
    return this.leading?.isHandingOver ?? false
  }

  /** Given up because records were taken back that a follower may have; until the next epoch. */
  get isGivenUp(): boolean {
    return this.#givenUpEpoch === this.leaderEpoch
  }

  /** Why a request with this leader epoch (-1: none given) cannot be served here, or `null` (KIP-320). */
  check(leaderEpoch: number): Failure | null {
    const failure = this.#checkEpoch(leaderEpoch)
    if (failure !== null || this.leading !== null) return failure
    return this.#fail('NOT_LEADER_OR_FOLLOWER', `node ${this.#options.env.nodeId} does not lead this partition`)
  }

  /** The same for a read, which `mayFollow`: a replica in sync may be nearer to the reader (KIP-392). */
  checkRead(leaderEpoch: number, mayFollow: boolean): Failure | null {
    const isFollowing = mayFollow && this.#role?.kind === 'following'
    return isFollowing ? this.#checkEpoch(leaderEpoch) : this.check(leaderEpoch)
  }

  /**
   * Why a read may not begin at `offset`, or `null`: a failure, or where what the reader has parts from the log. `lastEpoch`:
   * leader epoch of the record before, as the reader has it; `noEpoch` when it does not say.
   */
  checkOffset(offset: Offset, lastEpoch: number): Failure | Hint | null {
    const { logStartOffset, logEndOffset } = this.log
    if (offset < logStartOffset) return this.#outOfRange()
    if (!this.isLeader && offset > this.#highWatermark) {
      const known = `this follower knows offsets below ${this.#highWatermark} to be committed`
      return this.#fail('OFFSET_NOT_AVAILABLE', known)
    }
    const hint = this.#options.env.rules.readersLearnOfTruncation ? readerDivergence(this.log, offset, lastEpoch) : null
    if (hint !== null && this.#role?.kind === 'following' && offset > this.#role.replica.matchedEnd) {
      return this.#fail('OFFSET_NOT_AVAILABLE', 'this follower has not compared its log with that of its leader')
    }
    // Between high watermark and log end a leader may have records this reader has seen from another one: it waits.
    return hint ?? (offset > logEndOffset ? this.#outOfRange() : null)
  }

  /** Whether the high watermark is at least what any earlier leader showed to anybody (KIP-207). */
  get isHighWatermarkCurrent(): boolean {
    return this.leading?.replica.isHighWatermarkCurrent ?? false
  }

  /** Another object with every role: what was seen of one need not be true of the next. */
  get role(): object | null {
    return this.#role
  }

  /** New metadata: role, epoch, ISR or configs changed. */
  apply(terms: PartitionTerms): void {
    const hadConfig = this.#terms.config
    this.#terms = terms
    if (this.#ended !== null) return
    if (terms.config !== hadConfig) this.log.reconfigure(terms.config)
    // The next role begins with a log that stands still.
    if (!this.#isBeingCut) this.#takeRole()
    else if (!this.#isRoleCurrent()) this.#rest()
  }

  /**
   * Appends one validated batch, which belongs to the log from now on. `waiter` hears once, when the batch is as safe
   * as `acks` asks or cannot become so. Throws `ApiError` when the log takes nothing.
   */
  append(batch: Uint8Array, acks: Acks, waiter: AppendWaiter, slot: number): AppendResult {
    if (this.log.pendingBytes >= pendingBytesMax) throw new ApiError('BROKER_OVERLOADED', 'The disk does not keep up.')
    this.leading?.feed()
    const result = this.log.append(batch, this.leaderEpoch)
    const { rules } = this.#options.env
    this.#waiters.add(
      result.endOffset,
      batch.length,
      acks === -1 && !rules.acksWaitForReplicas ? 1 : acks,
      waiter,
      slot,
    )
    if (this.log.durableEndOffset >= result.endOffset) this.#onLogProgress()
    return result
  }

  /** Resolves when all that was appended here so far is committed, or will not be, as far as this replica is told. */
  untilSettled(): Promise<void> {
    const { logEndOffset } = this.log
    if (this.#ended !== null || this.#highWatermark >= logEndOffset) return Promise.resolve()
    return new Promise(resolve => this.#waiters.add(logEndOffset, 0, -1, { onAppendSettled: () => resolve() }, 0))
  }

  /** What its leader sends. The waiter hears once. */
  appendReplicated(append: ReplicaAppend): void {
    const failure = this.#checkReplicated(append.item.leaderEpoch)
    if (failure !== null) append.waiter.onReplicated(append.slot, failure)
    else (this.#role as Following).append(append)
  }

  /** Raises the start of the log; followers are told. */
  async deleteBelow(offset: Offset): Promise<void> {
    await this.log.advanceLogStart(offset)
    this.leading?.onLogStartMoved()
  }

  async applyRetention(wallClockMs: number): Promise<{ segments: number; bytes: number }> {
    const freed = await this.log.applyRetention(wallClockMs, this.#highWatermark)
    if (freed.segments > 0) this.leading?.onLogStartMoved()
    return freed
  }

  addFetch(waiter: FetchWaiter): void {
    this.#fetches.add(waiter)
  }

  removeFetch(waiter: FetchWaiter): void {
    this.#fetches.delete(waiter)
  }

  /** Something changed that is not a number of bytes: every fetch that waits looks again. */
  wakeFetches(): void {
    for (const fetch of this.#fetches) fetch.onPartitionChanged()
  }

  /**
   * Serves nothing from now on; those who wait get `failure`, and whose records are appended already gets `ofAppended`. The log
   * stays open: whoever opened it closes it.
   */
  end(failure: Failure, ofAppended = failure): void {
    if (this.#ended !== null) return
    this.#ended = failure
    this.#endRole(failure)
    this.#waiters.failAll(ofAppended)
    this.wakeFetches()
  }

  #isRoleCurrent(): boolean {
    const { leaderId, leaderEpoch, isRegistered } = this.#terms
    const role = this.#role
    if (role === null || role.leaderEpoch !== leaderEpoch || !isRegistered) return false
    return (role.kind === 'leading') === (leaderId === this.#options.env.nodeId)
  }

  #takeRole(): void {
    const { leaderId, isRegistered } = this.#terms
    if (!isRegistered || this.isGivenUp) this.#rest()
    else if (leaderId === this.#options.env.nodeId) this.#lead()
    else this.#follow()
  }

  #rest(): void {
    if (this.#role !== null) this.#resign()
  }

  #lead(): void {
    const terms = this.#terms
    if (this.#isRoleCurrent()) {
      this.leading!.reconfigure(terms)
      return
    }
    // Produces go on waiting: what this node appended as the leader before is in its log.
    this.#endRole(this.#superseded())
    const { log } = this
    const { env } = this.#options
    // It may have lost records that were committed, or, elected though it was not in sync, may lose them yet; with whoever
    // still has them it would be in sync.
    this.#highWatermark = Math.min(this.#highWatermark, log.durableEndOffset)
    const highWatermark = this.#highWatermark
    this.#role = new Leading({ env, log, terms, highWatermark, onHighWatermarkMoved: () => this.#onLeaderProgress() })
    this.#onLeaderProgress()
    // Fetches hold the old epoch: they look again.
    this.wakeFetches()
  }

  #follow(): void {
    const { leaderEpoch, uncleanEpoch } = this.#terms
    const role = this.#role
    if (this.#isRoleCurrent() && role?.kind === 'following') {
      role.replica.onUncleanEpoch(uncleanEpoch)
      return
    }
    this.#resign()
    const { env } = this.#options
    if (this.#highWatermarkEpoch < uncleanEpoch && env.rules.uncleanElectionsVoidHighWatermarks) {
      // How much of that its leader had, nobody here knows before the logs were compared.
      this.#highWatermark = Math.min(this.#highWatermark, this.log.logStartOffset)
      this.wakeFetches()
    }
    this.#role = new Following({
      rules: env.rules,
      leaderEpoch,
      uncleanEpoch,
      highWatermark: this.#highWatermark,
      highWatermarkEpoch: this.#highWatermarkEpoch,
      log: this.log,
      onHighWatermarkMoved: leaderStart => this.#onFollowerProgress(leaderStart),
      onDivergence: fromOffset => this.#waiters.takeBack(fromOffset, this.#notLed()),
      exclusively: (work, done) => this.#exclusively(work, done),
      forgetHighWatermark: async offset => {
        if (env.rules.cutsLowerCheckpoints) await env.highWatermarks.lower(this.id, offset)
      },
    })
  }

  #resign(): void {
    const wasLeading = this.leading !== null
    this.#endRole(this.#superseded())
    if (!wasLeading) return
    this.#waiters.onResigned(this.#superseded())
    this.wakeFetches()
  }

  #endRole(failure: Failure): void {
    const role = this.#role
    this.#role = null
    if (role?.kind === 'leading') role.end()
    else role?.end(failure)
  }

  /** Changes the end or the start of the log for its follower; meanwhile no other role begins. */
  #exclusively(work: () => Promise<void>, done: () => void): void {
    this.#isBeingCut = true
    work()
      .then(() => {
        this.#isBeingCut = false
        done()
        if (this.#ended === null && !this.#isBeingCut) this.#takeRole()
      })
      .catch(this.#options.onFatal)
  }

  #onLogProgress(): void {
    const { failure } = this.log
    if (failure !== null) {
      if (this.#ended !== null) return
      // The owner hears first: under flush policy `sync` it ends the process, and nobody may be told anything else.
      this.#options.onFailure(this, failure)
      this.end({ error: 'KAFKA_STORAGE_ERROR', message: failure.message })
      return
    }
    this.#waiters.onDurable(this.log.durableEndOffset)
    this.#role?.onLocalProgress()
  }

  /** The disk was full: what was appended from `fromOffset` on did not happen, and its offsets will be given again. */
  #onAppendsTakenBack(fromOffset: Offset, failure: Failure): void {
    const role = this.#role
    this.#waiters.takeBack(fromOffset, failure)
    if (role?.kind === 'following') role.onTakenBack(fromOffset, failure)
    if (role?.kind !== 'leading' || !role.hasSentFrom(fromOffset)) return
    if (!this.#options.env.rules.givesUpWhatWasSent) return
    // A follower may have the records that are gone here: the same offsets must not mean others in this epoch.
    this.#givenUpEpoch = this.leaderEpoch
    this.#resign()
    this.#options.env.clock.setTimer(givenUpMsMax, () => {
      if (!this.isGivenUp || this.#ended !== null) return
      // Nobody else can lead. Registered anew, this broker gets another epoch to lead in.
      const { topic, partition } = this.id
      this.#options.onFatal(new StorageError(`${topic}-${partition}`, 'a full disk took back records that were sent'))
    })
  }

  #onLeaderProgress(): void {
    const { highWatermark } = this.leading!.replica
    assertAtMost(this.#highWatermark, highWatermark, 'the high watermark never goes back')
    this.#highWatermark = highWatermark
    this.#highWatermarkEpoch = this.leaderEpoch
    const bytes = this.#waiters.onCommitted(highWatermark)
    // It passed records from before this epoch: how many bytes they are, nobody counted.
    if (bytes === 0) this.wakeFetches()
    else {
      this.committedBytes += bytes
      for (const fetch of this.#fetches) fetch.onBytesCommitted(bytes)
    }
  }

  #onFollowerProgress(leaderStart: Offset): void {
    const { highWatermark, highWatermarkEpoch } = (this.#role as Following).replica
    this.#highWatermark = highWatermark
    this.#highWatermarkEpoch = highWatermarkEpoch
    this.#waiters.forget(leaderStart, this.#superseded())
    this.#waiters.onCommitted(highWatermark)
    this.wakeFetches()
  }

  #outOfRange(): Failure {
    const message = `The log has offsets from ${this.log.logStartOffset} to ${this.#highWatermark} (exclusive).`
    return { error: 'OFFSET_OUT_OF_RANGE', message }
  }

  #checkEpoch(leaderEpoch: number): Failure | null {
    if (this.#ended !== null) return this.#ended
    if (leaderEpoch >= 0 && leaderEpoch < this.leaderEpoch && this.#options.env.rules.oldEpochsAreFenced)
      return this.#fail('FENCED_LEADER_EPOCH', `the current leader epoch is ${this.leaderEpoch}`)
    if (leaderEpoch > this.leaderEpoch)
      return this.#fail('UNKNOWN_LEADER_EPOCH', `this node knows leader epoch ${this.leaderEpoch}`)
    return null
  }

  #checkReplicated(leaderEpoch: LeaderEpoch): Failure | null {
    const failure = this.#checkEpoch(leaderEpoch)
    if (failure !== null || this.#role?.kind === 'following') return failure
    if (this.#role === null) return this.#fail('REPLICA_NOT_AVAILABLE', 'the replica is not ready')
    return this.#fail('NOT_LEADER_OR_FOLLOWER', `node ${this.#options.env.nodeId} leads this partition itself`)
  }

  /** Of records that are gone, or were never here. */
  #notLed(): Failure {
    return this.#fail('NOT_LEADER_OR_FOLLOWER', `node ${this.#options.env.nodeId} no longer leads this partition`)
  }

  /** Says nothing of records that were appended: they may be there. */
  #superseded(): Failure {
    return this.#fail('FENCED_LEADER_EPOCH', `leader epoch ${this.leaderEpoch} has begun`)
  }

  #fail(error: ErrorName, message: string): Failure {
    return { error, message: `${this.id.topic}-${this.id.partition}: ${message}` }
  }
}
