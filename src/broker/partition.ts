/**
 * One partition on this broker: its log, its role in the replication, and those who wait for it. Produces wait for the
 * local durable end (`acks=1`) or for the high watermark (`acks=all`), fetches for the high watermark to move. The log
 * reports progress once per group commit; everyone it concerns is released in that turn, in the order they came.
 *
 * Not the leader (yet, any more, or because the leader is elsewhere): the log stays open and nothing is served.
 */
import type { AppendResult, PartitionLog, TopicPartition } from '../log/types.ts'
import type { ResolvedTopicConfig } from '../metadata/topic-configs.ts'
import { ApiError, type ErrorName, type Failure } from '../protocol/errors.ts'
import { LeaderReplica, type LeaderTerms } from '../replication/leader-replica.ts'
import { assertAtMost } from '../util/assert.ts'
import type { LeaderEpoch, NodeId, Offset } from '../util/numbers.ts'
import { MiB } from '../util/units.ts'
import { Fifo } from './fifo.ts'

/** A produce that waits for one of its partitions; `slot` is the place in its request. */
export interface AppendWaiter {
  onAppendSettled(slot: number, failure: Failure | null): void
}

/** A fetch that waits for more bytes below the high watermark, or for anything to change. */
export interface FetchWaiter {
  onBytesCommitted(bytes: number): void
  onPartitionChanged(): void
}

/** What the metadata says about this partition, with the effective configs of its topic. */
export interface PartitionTerms {
  readonly leaderId: NodeId | null
  readonly leaderEpoch: LeaderEpoch
  readonly isr: readonly NodeId[]
  readonly config: ResolvedTopicConfig
}

export interface PartitionOptions {
  readonly nodeId: NodeId
  readonly log: PartitionLog
  readonly terms: PartitionTerms
  /** The disk failed under the log, after it was opened; called once. */
  readonly onFailure: (partition: Partition, error: Error) => void
}

export type Acks = 0 | 1 | -1

/**
 * Bytes a log may hold that the disk has not taken. Requests count as in flight until theirs are durable, which bounds
 * a disk that is slow; this bounds one that stands still while requests time out.
 */
const pendingBytesMax = 64 * MiB

interface Waiting {
  readonly endOffset: Offset
  readonly sizeBytes: number
  readonly waiter: AppendWaiter | null
  readonly slot: number
}

export class Partition {
  readonly id: TopicPartition
  readonly log: PartitionLog
  /** Bytes that passed the high watermark since this object exists: a fetch compares two readings. */
  committedBytes = 0
  readonly #nodeId: NodeId
  readonly #onFailure: (partition: Partition, error: Error) => void
  #terms: PartitionTerms
  #leader: LeaderReplica | null = null
  #highWatermark: Offset
  /** Why nothing is served for ever: closed, or the disk failed. */
  #ended: Failure | null = null
  /** In the order of their end offsets: those the local durable end releases. */
  readonly #unflushed = new Fifo<Waiting>()
  /** Every append the high watermark has not passed; `waiter` only for acks=all. */
  readonly #uncommitted = new Fifo<Waiting>()
  readonly #fetches = new Set<FetchWaiter>()

  constructor(options: PartitionOptions) {
    this.id = options.log.id
    this.log = options.log
    this.#nodeId = options.nodeId
    this.#onFailure = options.onFailure
    this.#terms = options.terms
    this.#highWatermark = this.log.logStartOffset
    this.log.onProgress(() => this.#onLogProgress())
    this.log.onAppendFailure(({ fromOffset, error }) =>
      this.#onAppendsTakenBack(fromOffset, { error: error.code, message: error.message }),
    )
    if (this.log.failure === null) this.apply(options.terms)
    else this.end({ error: 'KAFKA_STORAGE_ERROR', message: this.log.failure.message })
  }

  get config(): ResolvedTopicConfig {
    return this.#terms.config
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#terms.leaderEpoch
  }

  get isLeader(): boolean {
    return this.#leader !== null && this.#ended === null
  }

  /** Exclusive end of what is committed, as far as this replica knows. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** Exclusive end of what read committed sees: no transaction can be open, so it is the high watermark. */
  get lastStableOffset(): Offset {
    return this.highWatermark
  }

  /** Fewer in-sync replicas than `min.insync.replicas`. */
  get isUnderMinIsr(): boolean {
    return this.#leader !== null && !this.#leader.hasMinIsr
  }

  /** Why a request with this leader epoch (-1: none given) cannot be served here, or `null` (KIP-320). */
  check(leaderEpoch: number): Failure | null {
    if (this.#ended !== null) return this.#ended
    if (leaderEpoch >= 0 && leaderEpoch < this.leaderEpoch)
      return this.#fail('FENCED_LEADER_EPOCH', `the current leader epoch is ${this.leaderEpoch}`)
    if (leaderEpoch > this.leaderEpoch)
      return this.#fail('UNKNOWN_LEADER_EPOCH', `this node knows leader epoch ${this.leaderEpoch}`)
    if (this.#leader === null)
      return this.#fail('NOT_LEADER_OR_FOLLOWER', `node ${this.#nodeId} does not lead this partition`)
    return null
  }

  /** New metadata: role, epoch, ISR or configs changed. */
  apply(terms: PartitionTerms): void {
    const hadConfig = this.#terms.config
    this.#terms = terms
    if (this.#ended !== null) return
    if (terms.config !== hadConfig) this.log.reconfigure(terms.config)
    const isLed = terms.leaderId === this.#nodeId
    if (!isLed) {
      if (this.#leader !== null) this.#resign()
      return
    }
    const leaderTerms: LeaderTerms = {
      leaderEpoch: terms.leaderEpoch,
      partitionEpoch: 0,
      replicas: terms.isr,
      isr: terms.isr,
      effectiveMinIsr: terms.config.minInsyncReplicas,
      brokerEpochs: new Map(),
    }
    const { durableEndOffset, logEndOffset } = this.log
    if (this.#leader?.leaderEpoch === terms.leaderEpoch) {
      if (this.#leader.reconfigure(leaderTerms, logEndOffset, 0)) this.#onHighWatermarkMoved()
      return
    }
    this.#leader = new LeaderReplica({
      terms: leaderTerms,
      localId: this.#nodeId,
      durableEndOffset,
      logEndOffset,
      nowMs: 0,
      highWatermark: this.#highWatermark,
    })
    this.#onHighWatermarkMoved()
    // Fetches hold the old epoch: they look again.
    this.wakeFetches()
  }

  /**
   * Appends one validated batch, which belongs to the log from now on. `waiter` hears once, when the batch is as safe
   * as `acks` asks or cannot become so. Throws `ApiError` when the log takes nothing.
   */
  append(batch: Uint8Array, acks: Acks, waiter: AppendWaiter, slot: number): AppendResult {
    if (this.log.pendingBytes >= pendingBytesMax) throw new ApiError('BROKER_OVERLOADED', 'The disk does not keep up.')
    const result = this.log.append(batch, this.leaderEpoch)
    const waitsForAll = acks === -1
    const waiting = { endOffset: result.endOffset, sizeBytes: batch.length, waiter, slot }
    this.#uncommitted.push(waitsForAll ? waiting : { ...waiting, waiter: null })
    if (!waitsForAll) this.#unflushed.push(waiting)
    if (this.log.durableEndOffset >= result.endOffset) this.#onLogProgress()
    return result
  }

  /** Whether `acks=all` may be accepted now. */
  get hasMinIsr(): boolean {
    return this.#leader?.hasMinIsr ?? false
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

  /** Serves nothing from now on; those who wait get `failure`. The log stays open: whoever opened it closes it. */
  end(failure: Failure): void {
    if (this.#ended !== null) return
    this.#ended = failure
    this.#releaseAll(failure)
  }

  #resign(): void {
    this.#leader = null
    this.#releaseAll({
      error: 'NOT_LEADER_OR_FOLLOWER',
      message: `node ${this.#nodeId} no longer leads this partition`,
    })
  }

  #onLogProgress(): void {
    const { failure } = this.log
    if (failure !== null) {
      if (this.#ended !== null) return
      // The owner hears first: under flush policy `sync` it ends the process, and nobody may be told anything else.
      this.#onFailure(this, failure)
      this.end({ error: 'KAFKA_STORAGE_ERROR', message: failure.message })
      return
    }
    const durableEndOffset = this.log.durableEndOffset
    for (
      let next = this.#unflushed.peek();
      next !== undefined && next.endOffset <= durableEndOffset;
      next = this.#unflushed.peek()
    ) {
      this.#unflushed.shift()
      next.waiter?.onAppendSettled(next.slot, null)
    }
    if (this.#leader?.onLocalProgress(durableEndOffset)) this.#onHighWatermarkMoved()
  }

  /** The disk was full: what was appended from `fromOffset` on did not happen, and its offsets will be given again. */
  #onAppendsTakenBack(fromOffset: Offset, failure: Failure): void {
    for (const queue of [this.#unflushed, this.#uncommitted]) {
      const lost = queue.takeTail(({ endOffset }) => endOffset > fromOffset)
      for (const { waiter, slot } of lost) waiter?.onAppendSettled(slot, failure)
    }
  }

  #onHighWatermarkMoved(): void {
    const highWatermark = this.#leader!.highWatermark
    assertAtMost(this.#highWatermark, highWatermark, 'the high watermark never goes back')
    this.#highWatermark = highWatermark
    let bytes = 0
    for (
      let next = this.#uncommitted.peek();
      next !== undefined && next.endOffset <= highWatermark;
      next = this.#uncommitted.peek()
    ) {
      this.#uncommitted.shift()
      bytes += next.sizeBytes
      next.waiter?.onAppendSettled(next.slot, null)
    }
    if (bytes === 0) {
      // It passed records from before this process: how many bytes they are, nobody counted.
      this.wakeFetches()
      return
    }
    this.committedBytes += bytes
    for (const fetch of this.#fetches) fetch.onBytesCommitted(bytes)
  }

  #releaseAll(failure: Failure): void {
    for (const queue of [this.#unflushed, this.#uncommitted]) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        next.waiter?.onAppendSettled(next.slot, failure)
    }
    this.wakeFetches()
  }

  #fail(error: ErrorName, message: string): Failure {
    return { error, message: `${this.id.topic}-${this.id.partition}: ${message}` }
  }
}
