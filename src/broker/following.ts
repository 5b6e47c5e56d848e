/**
 * A partition in the role of follower, for one leader epoch: does to the log what the core decides about each append, one
 * at a time, and answers when what came is durable. While the log is being cut, appends wait: what they hold is counted in
 * flight by the transport.
 */
import type { PartitionLog } from '../log/types.ts'
import type { StoredRange } from '../protocol/batch/ranges.ts'
import { ApiError, type Failure } from '../protocol/errors.ts'
import { FollowerReplica, type FollowerReplicaOptions } from '../replication/follower-replica.ts'
import type { AppendItem } from '../replication/types.ts'
import { Fifo } from '../util/fifo.ts'
import { type LeaderEpoch, noEpoch, type Offset } from '../util/numbers.ts'
import type { BrokerRules } from './rules.ts'

export interface FollowerAnswer {
  readonly isMatch: boolean
  readonly endOffset: Offset
  readonly hintEpoch: number
}

/** A request that waits for one of its items; `slot` is the place in it. */
export interface ReplicaWaiter {
  onReplicated(slot: number, outcome: FollowerAnswer | Failure): void
}

/** One partition's part of a request, checked. */
export interface ReplicaAppend {
  readonly item: AppendItem & { readonly batches: readonly StoredRange[] }
  /** The batches of `item`, back to back. */
  readonly bytes: Uint8Array
  readonly waiter: ReplicaWaiter
  readonly slot: number
}

export interface FollowingOptions extends FollowerReplicaOptions {
  readonly rules: BrokerRules
  readonly log: PartitionLog
  /** Before the log is cut at `offset`: resolves when nothing from there on will be taken for committed after a crash. */
  readonly forgetHighWatermark: (offset: Offset) => Promise<void>
  /** `leaderStart`: where the leader's log begins; below it nothing was compared. */
  readonly onHighWatermarkMoved: (leaderStart: Offset) => void
  /** What this log had at and above `fromOffset` when the epoch began is not in the leader's. */
  readonly onDivergence: (fromOffset: Offset) => void
  /** Runs `work` while the partition takes no other role, then calls `done`; by then this may not be the role any more. */
  readonly exclusively: (work: () => Promise<void>, done: () => void) => void
}

interface Waiting {
  readonly endOffset: Offset
  readonly waiter: ReplicaWaiter
  readonly slot: number
}

export class Following {
  readonly kind = 'following'
  #replica: FollowerReplica
  readonly #options: FollowingOptions
  readonly #log: PartitionLog
  /** In the order they came, until the log is durable up to where they end. */
  readonly #undurable = new Fifo<Waiting>()
  /** Those that came while the log is being cut. */
  readonly #behind = new Fifo<ReplicaAppend>()
  #isCutting = false
  #isAdvancing = false
  #ended: Failure | null = null

  constructor(options: FollowingOptions) {
    this.#options = options
    this.#log = options.log
    this.#replica = new FollowerReplica(options)
  }

  get replica(): FollowerReplica {
    return this.#replica
  }

  get leaderEpoch(): LeaderEpoch {
    return this.#replica.leaderEpoch
  }

  append(append: ReplicaAppend): void {
    if (this.#isCutting) this.#behind.push(append)
    else this.#step(append)
  }

  onLocalProgress(): void {
    const { durableEndOffset } = this.#log
    for (
      let next = this.#undurable.peek();
      next !== undefined && next.endOffset <= durableEndOffset;
      next = this.#undurable.peek()
    ) {
      this.#undurable.shift()
      next.waiter.onReplicated(next.slot, this.#acknowledgement())
    }
  }

  /** The disk was full: what was appended from `fromOffset` on is gone. */
  onTakenBack(fromOffset: Offset, failure: Failure): void {
    for (const { waiter, slot } of this.#undurable.takeTail(({ endOffset }) => endOffset > fromOffset)) {
      waiter.onReplicated(slot, failure)
    }
    // What it had in common with the leader, and knew of it to be committed, may have been among them. Nothing of that was
    // written down: see high-watermark-checkpoint.ts.
    const { highWatermark, highWatermarkEpoch } = this.#replica
    this.#replica = new FollowerReplica({
      ...this.#options,
      highWatermark: Math.min(highWatermark, fromOffset),
      highWatermarkEpoch,
    })
    this.#options.onHighWatermarkMoved(0)
  }

  /** Another epoch began, or the partition is no longer served here. */
  end(failure: Failure): void {
    this.#ended = failure
    for (let next = this.#undurable.shift(); next !== undefined; next = this.#undurable.shift()) {
      next.waiter.onReplicated(next.slot, failure)
    }
    for (let next = this.#behind.shift(); next !== undefined; next = this.#behind.shift()) {
      next.waiter.onReplicated(next.slot, failure)
    }
  }

  #step(append: ReplicaAppend): void {
    const { item, waiter, slot } = append
    if (this.#ended !== null) {
      waiter.onReplicated(slot, this.#ended)
      return
    }
    const step = this.#replica.decide(item, this.#log)
    switch (step.kind) {
      case 'refused':
        waiter.onReplicated(slot, { error: step.error, message: 'Another leader epoch is known here.' })
        return
      case 'mismatch':
        waiter.onReplicated(slot, { isMatch: false, endOffset: step.endOffset, hintEpoch: step.hintEpoch })
        return
      case 'take':
        this.#take(append, step.skip)
        return
      case 'truncate':
        this.#options.onDivergence(step.to)
        this.#cut(append, step.to, () => this.#log.truncateTo(step.to, 'the leader has other records there'))
        return
      case 'restart':
        this.#options.onDivergence(0)
        this.#cut(append, step.at, () => this.#log.restartAt(step.at, 'the leader has no records before'))
    }
  }

  #take({ item, bytes, waiter, slot }: ReplicaAppend, skip: number): void {
    const first = item.batches[skip]
    try {
      if (first !== undefined) this.#log.appendReplicated(bytes.subarray(first.position))
    } catch (error) {
      waiter.onReplicated(slot, failureOf(error))
      return
    }
    const { highWatermark } = this.#replica
    const endOffset = this.#replica.onTaken(item, this.#log)
    const isDurable = endOffset <= this.#log.durableEndOffset
    if (isDurable || !this.#options.rules.onlyDurableIsAcknowledged) waiter.onReplicated(slot, this.#acknowledgement())
    else this.#undurable.push({ endOffset, waiter, slot })
    if (this.#replica.highWatermark > highWatermark) this.#options.onHighWatermarkMoved(item.logStartOffset)
    // An append without records is sent from the end of the leader's log. What is behind it here goes when others come.
    if (item.batches.length === 0) this.#options.onDivergence(item.fromOffset)
    this.#followLogStart(item.logStartOffset)
  }

  #acknowledgement(): FollowerAnswer {
    return { isMatch: true, endOffset: this.#replica.acknowledgedEnd(this.#log), hintEpoch: noEpoch }
  }

  #cut(append: ReplicaAppend, offset: Offset, work: () => Promise<void>): void {
    const { highWatermark } = this.#replica
    this.#replica.onCut(offset)
    if (this.#replica.highWatermark < highWatermark) this.#options.onHighWatermarkMoved(0)
    this.#isCutting = true
    let failure: Failure | null = null
    const attempt = async (): Promise<void> => {
      try {
        await this.#options.forgetHighWatermark(offset)
        await work()
      } catch (error) {
        failure = failureOf(error)
      }
    }
    this.#options.exclusively(attempt, () => {
      this.#isCutting = false
      if (failure === null) this.#step(append)
      else append.waiter.onReplicated(append.slot, failure)
      while (!this.#isCutting) {
        const next = this.#behind.shift()
        if (next === undefined) return
        this.#step(next)
      }
    })
  }

  /** What the leader deleted was committed: it may go here, too, as far as this replica knows that. */
  #followLogStart(leaderStart: Offset): void {
    const offset = Math.min(leaderStart, this.#replica.highWatermark)
    if (offset <= this.#log.logStartOffset || this.#isAdvancing) return
    this.#isAdvancing = true
    // A log that fails says so to its owner; without room on the disk it is tried again with the next append.
    this.#log
      .advanceLogStart(offset)
      .catch(failureOf)
      .finally(() => {
        this.#isAdvancing = false
      })
  }
}

/** What is no expected outcome is thrown on: it must end the process. */
function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return { error: error.code, message: error.message }
  throw error
}
