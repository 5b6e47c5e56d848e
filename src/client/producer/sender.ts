/**
 * Sends batches: at the end of each turn in which something changed it walks the partitions that have something, and
 * puts what may leave into one request per broker. While `inFlightMax` requests are out to a broker its batches go on
 * filling: the slower the broker, the larger the batches (natural batching), with no linger needed.
 *
 * What comes back with an error that may pass is put back at its old place (`PartitionQueue` keeps the order); what is
 * not delivered by its deadline is given up. A leader that dies costs no wait here: the view is refreshed at once, and
 * again at short intervals, and as soon as it names another leader the batches leave for it.
 */
import { ApiError } from '../../protocol/errors.ts'
import { KiB } from '../../util/units.ts'
import type { Cluster } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { answerLateMs } from '../options.ts'
import { Staleness } from '../staleness.ts'
import { backoffDelayMs, catchUpDelayMs } from '../wait.ts'
import { WakeTimer } from '../wake-timer.ts'
import type { Accumulator } from './accumulator.ts'
import { LateAnswers } from './late-answers.ts'
import type { PartitionQueue } from './partition-queue.ts'
import { type BatchOutcome, type ProduceItem, sendProduce } from './produce-request.ts'
import type { ProducerBatch } from './producer-batch.ts'
import { splitBatch } from './split-batch.ts'
import type { ProducerSettings, ProducerStats } from './types.ts'

/** A request holds at most this much beside its first batch. */
const requestBytesMax = 1024 * KiB

interface Link {
  inFlight: number
  /** The connection has no room; it will say when. */
  isBlocked: boolean
}

export class Sender {
  readonly #settings: ProducerSettings
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #stats: ProducerStats
  readonly #links = new WeakMap<Connection, Link>()
  readonly #connecting = new Set<number>()
  /** While above 0, batches that are not full do not linger. */
  #flushes = 0
  #isScheduled = false
  #isStopped = false
  readonly #timer: WakeTimer
  readonly #staleness: Staleness
  readonly #lateAnswers: LateAnswers
  /** Of the last failed attempt to reach a leader. */
  #lastError: Error | null = null

  constructor(settings: ProducerSettings, cluster: Cluster, accumulator: Accumulator, stats: ProducerStats) {
    this.#settings = settings
    this.#cluster = cluster
    this.#accumulator = accumulator
    this.#stats = stats
    this.#timer = new WakeTimer(settings.clock, () => this.schedule())
    this.#staleness = new Staleness(cluster, () => this.schedule())
    this.#lateAnswers = new LateAnswers(cluster, this.#staleness)
  }

  /** Looks at everything once, at the end of this turn. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    this.#settings.clock.defer(() => {
      this.#isScheduled = false
      if (!this.#isStopped) this.#pump()
    })
  }

  beginFlush(): void {
    this.#flushes++
    this.schedule()
  }

  endFlush(): void {
    this.#flushes--
  }

  stop(): void {
    this.#isStopped = true
    this.#timer.cancel()
  }

  #pump(): void {
    const nowMs = this.#settings.clock.nowMs()
    const lookMs = this.#lateAnswers.look(nowMs, (item, batchCount) => this.#onTakenBack(item, batchCount))
    let wakeMs = Math.min(lookMs, this.#expire(nowMs))
    // A request takes one batch of a partition; further rounds fill what is left of `inFlightMax`.
    for (let hasSent = true; hasSent; ) {
      const plans = new Map<Connection, ProduceItem[]>()
      for (const queue of [...this.#accumulator.active]) wakeMs = Math.min(wakeMs, this.#plan(queue, plans, nowMs))
      hasSent = plans.size > 0
      for (const [connection, items] of plans) this.#send(connection, items)
      if (hasSent) wakeMs = Math.min(wakeMs, nowMs + answerLateMs)
    }
    this.#timer.wakeAt(Math.min(wakeMs, this.#staleness.refreshIfDue(nowMs)))
  }

  /** Adds the next batch of `queue` to the plan of its leader if it may leave. Returns when to look again. */
  #plan(queue: PartitionQueue, plans: Map<Connection, ProduceItem[]>, nowMs: number): number {
    const first = queue.first
    if (first === null) {
      this.#accumulator.active.delete(queue)
      return Number.POSITIVE_INFINITY
    }
    const leader = this.#cluster.leader(queue.topic, queue.partition)
    if (leader === null) {
      this.#staleness.mark()
      return first.deadlineMs
    }
    const notBeforeMs = queue.notBeforeMs(leader.leaderEpoch)
    if (notBeforeMs > nowMs) {
      if (queue.wantsSuccessorOf(leader.leaderEpoch)) this.#staleness.mark()
      return notBeforeMs
    }
    const connection = this.#cluster.nodes.openTo(leader.leaderId)
    if (connection === null) {
      this.#connect(leader.leaderId)
      return Math.min(first.deadlineMs, nowMs + answerLateMs)
    }
    if (!this.#hasRoom(connection) || !queue.maySend(connection, leader.leaderEpoch)) return first.deadlineMs
    const items = plans.get(connection) ?? []
    if (items.length > 0 && sizeOf(items) + first.reservedBytes > requestBytesMax) return first.deadlineMs
    const dueMs = this.#dueMs(queue)
    if (dueMs > nowMs) return dueMs
    if (queue.closed.length === 0) this.#accumulator.close(queue)
    if (first.bytes === null) return first.deadlineMs
    queue.closed.shift()
    queue.onSent(first, connection, leader.leaderEpoch)
    const topicId = this.#cluster.topic(queue.topic)!.topicId
    const { leaderId, leaderEpoch } = leader
    items.push({ queue, batch: first, attempt: first.attempts, topicId, leaderId, leaderEpoch })
    plans.set(connection, items)
    // Served: the others' turn comes first the next time.
    this.#accumulator.active.delete(queue)
    this.#accumulator.active.add(queue)
    return first.deadlineMs
  }

  /** When the first batch of `queue` should leave: now if it is closed, else when it has lingered. */
  #dueMs(queue: PartitionQueue): number {
    if (queue.closed.length > 0) return 0
    const batch = queue.open!
    if (batch.recordCount === 0) return batch.deadlineMs
    if (this.#flushes > 0 || this.#accumulator.isExhausted) return 0
    return batch.createdAtMs + this.#settings.lingerMs
  }

  #hasRoom(connection: Connection): boolean {
    const link = this.#linkOf(connection)
    if (link.isBlocked || link.inFlight >= this.#settings.inFlightMax) return false
    const writable = connection.whenWritable()
    if (writable === null) return true
    link.isBlocked = true
    const onWritable = (): void => {
      link.isBlocked = false
      this.schedule()
    }
    writable.then(onWritable, onWritable)
    return false
  }

  #linkOf(connection: Connection): Link {
    let link = this.#links.get(connection)
    if (link === undefined) this.#links.set(connection, (link = { inFlight: 0, isBlocked: false }))
    return link
  }

  #connect(nodeId: number): void {
    // While it cannot be reached, another may become leader in its place.
    if (this.#cluster.nodes.isUnreachable(nodeId)) this.#staleness.mark()
    if (this.#connecting.has(nodeId)) return
    this.#connecting.add(nodeId)
    const onDone = (): void => {
      this.#connecting.delete(nodeId)
      this.schedule()
    }
    this.#cluster.nodes.connectTo(nodeId).then(onDone, (error: Error) => {
      this.#lastError = error
      onDone()
    })
  }

  #send(connection: Connection, items: ProduceItem[]): void {
    const link = this.#linkOf(connection)
    const request = { connection, items, sentAtMs: this.#settings.clock.nowMs() }
    this.#lateAnswers.add(request)
    this.#stats.requestsSent++
    for (const { batch } of items) this.#stats.bytesSent += batch.bytes!.length
    link.inFlight++
    sendProduce(connection, items, this.#settings, {
      onSettled: (item, outcome) => this.#onOutcome(item, outcome),
      onDone: error => {
        link.inFlight--
        this.#lateAnswers.remove(request)
        // A node that does not answer in time may answer much later: what is sent again goes over another connection.
        if (error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT') this.#cluster.nodes.discard(connection)
        this.schedule()
      },
    })
  }

  #onOutcome({ queue, batch, attempt }: ProduceItem, outcome: BatchOutcome): void {
    if (!queue.isInFlight(batch, attempt)) return
    if (outcome.error === null) {
      this.#stats.batchesSent++
      this.#stats.recordsSent += batch.recordCount
      queue.onDone(batch)
      this.#settle(batch, outcome.baseOffset, null)
      return
    }
    const { error } = outcome
    const nowMs = this.#settings.clock.nowMs()
    if (error.refreshMetadata) this.#staleness.mark()
    if (error.isTooLarge && batch.recordCount > 1) this.#split(queue, batch)
    else if (error.isRetriable && nowMs < batch.deadlineMs) {
      this.#stats.batchesRetried++
      const { cause } = error
      this.#settings.logger.debug(
        { topic: batch.topic, partition: batch.partition, attempts: batch.attempts, error: cause.message },
        'a batch will be sent again',
      )
      const delayOf = error.isLagging ? catchUpDelayMs : backoffDelayMs
      const delayMs = delayOf(this.#settings, batch.attempts, this.#settings.random)
      queue.onRetry(batch, { error: cause, notBeforeMs: nowMs + delayMs, isViewStale: error.refreshMetadata })
      this.#accumulator.active.add(queue)
    } else {
      queue.onFailed(batch)
      this.#fail(batch, error.cause)
    }
  }

  #onTakenBack({ queue, leaderId }: ProduceItem, batchCount: number): void {
    const { topic, partition } = queue
    this.#stats.batchesRetried += batchCount
    this.#settings.logger.warn({ topic, partition, leaderId, batchCount }, 'a silent leader has a successor')
    this.#accumulator.active.add(queue)
  }

  /** The parts take the batch's place; nothing else of the partition leaves before they are there. */
  #split(queue: PartitionQueue, batch: ProducerBatch): void {
    this.#stats.batchesSplit++
    this.#accumulator.onTooLarge(batch)
    queue.onSplit(batch)
    splitBatch(batch, this.#settings).then(
      parts => {
        queue.isSplitting = false
        this.#accumulator.reserve(batch, 0)
        for (const part of parts) {
          queue.putBack(part)
          this.#accumulator.reserve(part, part.builder.sizeBytes)
          this.#accumulator.encode(queue, part)
        }
        this.schedule()
      },
      (error: Error) => {
        queue.isSplitting = false
        this.#fail(batch, error)
        this.schedule()
      },
    )
  }

  #fail(batch: ProducerBatch, error: Error): void {
    this.#stats.batchesFailed++
    this.#stats.recordsFailed += batch.recordCount
    this.#settle(batch, -1, error)
  }

  #settle(batch: ProducerBatch, baseOffset: number, failure: Error | null): void {
    batch.settle(baseOffset, failure)
    this.#accumulator.reserve(batch, 0)
    if (failure === null && batch.attempts === 1) this.#accumulator.recycle(batch)
  }

  /** Gives up batches whose time is over or that cannot be encoded. Returns the next deadline. */
  #expire(nowMs: number): number {
    let nextMs = this.#accumulator.expire(nowMs)
    for (const queue of this.#accumulator.active) {
      for (let batch = queue.first; batch !== null; batch = queue.first) {
        if (batch.encodingError === null && batch.deadlineMs > nowMs) {
          nextMs = Math.min(nextMs, batch.deadlineMs)
          break
        }
        if (queue.closed.length > 0) queue.closed.shift()
        else queue.open = null
        this.#fail(batch, batch.encodingError ?? this.#timeoutOf(queue))
      }
    }
    return nextMs
  }

  #timeoutOf(queue: PartitionQueue): ApiError {
    const cause = queue.lastError ?? this.#lastError ?? this.#staleness.lastError
    const why = cause === null ? '' : `; last error: ${cause.message}`
    const message = `${queue.topic}-${queue.partition}: not delivered within ${this.#settings.deliveryTimeoutMs} ms${why}`
    return new ApiError('REQUEST_TIMED_OUT', message, cause === null ? undefined : { cause })
  }
}

function sizeOf(items: readonly ProduceItem[]): number {
  return items.reduce((sum, { batch }) => sum + batch.reservedBytes, 0)
}
