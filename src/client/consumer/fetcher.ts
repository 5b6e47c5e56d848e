/**
 * Keeps batches coming for the assigned partitions: one fetch after another to every leader, sent as soon as the last
 * one is answered, so that the next batches travel while the application works on these. Bounded: fetching stops while
 * half of `prefetchBytes` waits, and no answer may be larger than its share of the other half.
 *
 * The offset to fetch moves only with what an answer contains. A lost connection or a new leader therefore leaves
 * neither a gap nor a repeat.
 */
import { ApiError } from '../../protocol/errors.ts'
import { KiB } from '../../util/units.ts'
import { nameOf } from '../by-leader.ts'
import { type Cluster, isRetriable } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { Deque } from '../deque.ts'
import { Staleness } from '../staleness.ts'
import { backoffDelayMs } from '../wait.ts'
import { WakeTimer } from '../wake-timer.ts'
import type { AssignedPartition, Budget } from './assigned-partition.ts'
import { type FetchAnswer, type FetchItem, sendFetch } from './fetch-request.ts'
import { locate } from './locate.ts'
import { takeAnswer } from './take-answer.ts'
import type { ConsumerSettings, ConsumerStats } from './types.ts'

/** A second fetch may go to a leader whose first one waits for records of other partitions. */
const fetchesInFlightMax = 2
/** No partition is kept from fetching below this, however many there are. */
const partitionShareBytesMin = 64 * KiB

interface Link {
  inFlight: number
  failures: number
  notBeforeMs: number
}

export class Fetcher {
  readonly #settings: ConsumerSettings
  readonly #cluster: Cluster
  readonly #stats: ConsumerStats
  readonly #signal: AbortSignal
  /** Tells whoever waits for records that there may be some, or an error, or an end. */
  readonly #onNews: () => void
  readonly #partitions = new Set<AssignedPartition>()
  /** Partitions with something for the application; each takes its turn with one batch. */
  readonly #ready = new Deque<AssignedPartition>()
  readonly #links = new Map<number, Link>()
  readonly #connecting = new Set<number>()
  readonly #timer: WakeTimer
  readonly #staleness: Staleness
  /** Bytes that wait in all partitions together. */
  readonly budget: Budget = { bytes: 0 }
  #isLocating = false
  #isScheduled = false

  constructor(
    settings: ConsumerSettings,
    cluster: Cluster,
    stats: ConsumerStats,
    signal: AbortSignal,
    onNews: () => void,
  ) {
    this.#settings = settings
    this.#cluster = cluster
    this.#stats = stats
    this.#signal = signal
    this.#onNews = onNews
    this.#timer = new WakeTimer(settings.clock, () => this.pump())
    this.#staleness = new Staleness(cluster, () => this.pump())
  }

  add(partition: AssignedPartition): void {
    this.#partitions.add(partition)
    this.schedule()
  }

  remove(partition: AssignedPartition): void {
    partition.forget()
    this.#partitions.delete(partition)
    this.schedule()
  }

  /** Looks for something to fetch at the end of this turn. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#settings.clock.defer(() => {
      this.#isScheduled = false
      this.pump()
    })
  }

  stop(): void {
    this.#timer.cancel()
  }

  /** The application took `bytes` of what waited in `partition`: time to fetch more if that made the room. */
  onTaken(partition: AssignedPartition, bytes: number): void {
    const { bufferedBytes } = partition
    const shareBytes = this.#shareBytes()
    const halfBytes = this.#settings.prefetchBytes / 2
    const hasRoom = bufferedBytes < shareBytes && this.budget.bytes < halfBytes
    const hadRoom = bufferedBytes + bytes < shareBytes && this.budget.bytes + bytes < halfBytes
    if (hasRoom && !hadRoom) this.schedule()
  }

  #shareBytes(): number {
    return Math.max(this.#settings.prefetchBytes / 2 / this.#partitions.size, partitionShareBytesMin)
  }

  /** The next partition in turn that has something, taken out of the line; `line` it again if more is left. */
  takeReady(): AssignedPartition | null {
    for (let partition = this.#ready.shift(); partition !== undefined; partition = this.#ready.shift()) {
      partition.isReady = false
      if (partition.hasNews && !partition.isPaused && this.#partitions.has(partition)) return partition
    }
    return null
  }

  /** Puts a partition at the end of the line if it has something. */
  line(partition: AssignedPartition): void {
    if (partition.isReady || !partition.hasNews || !this.#partitions.has(partition)) return
    partition.isReady = true
    this.#ready.push(partition)
  }

  /** Sends every fetch that may be sent now. */
  pump(): void {
    if (this.#signal.aborted) return
    const nowMs = this.#settings.clock.nowMs()
    let wakeMs = this.#maybeLocate(nowMs)
    if (this.budget.bytes < this.#settings.prefetchBytes / 2) {
      const { byLeader, nextMs } = this.#fetchable(nowMs)
      wakeMs = Math.min(wakeMs, nextMs)
      for (const [leaderId, partitions] of byLeader) {
        wakeMs = Math.min(wakeMs, this.#fetchFrom(leaderId, partitions, nowMs))
      }
    }
    this.#timer.wakeAt(Math.min(wakeMs, this.#staleness.refreshIfDue(nowMs)))
  }

  #maybeLocate(nowMs: number): number {
    if (this.#isLocating) return Number.POSITIVE_INFINITY
    const lost = [...this.#partitions].filter(p => !p.isLocated && p.failure === null)
    if (lost.length === 0) return Number.POSITIVE_INFINITY
    const due = lost.filter(p => p.notBeforeMs <= nowMs)
    if (due.length === 0) return Math.min(...lost.map(p => p.notBeforeMs))
    this.#isLocating = true
    const { isolationLevel, requestTimeoutMs: timeoutMs } = this.#settings
    locate(this.#cluster, due, { isolationLevel, timeoutMs, signal: this.#signal }).then(
      () => this.#onLocated(due, null),
      (error: unknown) => this.#onLocated(due, error),
    )
    return Number.POSITIVE_INFINITY
  }

  #onLocated(partitions: readonly AssignedPartition[], error: unknown): void {
    this.#isLocating = false
    for (const partition of partitions) {
      if (partition.isLocated) continue
      if (error !== null && !isRetriable(error)) partition.failure = error as Error
      else this.#backOff(partition)
      this.line(partition)
    }
    this.pump()
    this.#onNews()
  }

  /** Partitions to fetch from, by leader, and when another may become so. */
  #fetchable(nowMs: number): { byLeader: Map<number, AssignedPartition[]>; nextMs: number } {
    const byLeader = new Map<number, AssignedPartition[]>()
    const shareBytes = this.#shareBytes()
    let nextMs = Number.POSITIVE_INFINITY
    for (const partition of this.#partitions) {
      const { isPaused, isFetching, isLocated, failure, stopOffset, fetchOffset } = partition
      if (isPaused || isFetching || !isLocated || failure !== null || partition.bufferedBytes >= shareBytes) continue
      if (stopOffset !== null && fetchOffset >= stopOffset) continue
      if (partition.notBeforeMs > nowMs) nextMs = Math.min(nextMs, partition.notBeforeMs)
      else {
        const leaderId = this.#leaderOf(partition, nowMs)
        if (leaderId === null) continue
        const group = byLeader.get(leaderId)
        if (group === undefined) byLeader.set(leaderId, [partition])
        else group.push(partition)
      }
    }
    return { byLeader, nextMs }
  }

  /** The leader to ask; `null` when there is none now, or the topic is not what it was. */
  #leaderOf(partition: AssignedPartition, nowMs: number): number | null {
    const topic = this.#cluster.topic(partition.topic)
    if (topic === null) {
      partition.unknownSinceMs ??= nowMs
      if (nowMs - partition.unknownSinceMs > this.#settings.metadataTimeoutMs) {
        this.#fail(partition, new ApiError('UNKNOWN_TOPIC_OR_PARTITION', `${nameOf(partition)}: the topic is gone`))
      } else this.#staleness.mark()
      return null
    }
    partition.unknownSinceMs = null
    partition.topicId ??= topic.topicId
    if (partition.topicId !== topic.topicId) {
      const message = `${nameOf(partition)}: the topic was deleted and created anew; its offsets begin again: seek`
      this.#fail(partition, new ApiError('UNKNOWN_TOPIC_ID', message))
      return null
    }
    const leader = this.#cluster.leader(partition.topic, partition.partition)
    if (leader === null) this.#staleness.mark()
    return leader?.leaderId ?? null
  }

  /** Returns when to look again. */
  #fetchFrom(leaderId: number, partitions: readonly AssignedPartition[], nowMs: number): number {
    let link = this.#links.get(leaderId)
    if (link === undefined) this.#links.set(leaderId, (link = { inFlight: 0, failures: 0, notBeforeMs: 0 }))
    if (link.notBeforeMs > nowMs) return link.notBeforeMs
    if (link.inFlight >= fetchesInFlightMax) return Number.POSITIVE_INFINITY
    const connection = this.#cluster.openTo(leaderId)
    if (connection === null) this.#connect(leaderId)
    else this.#fetch(connection, link, partitions)
    return Number.POSITIVE_INFINITY
  }

  #connect(leaderId: number): void {
    if (this.#connecting.has(leaderId)) return
    this.#connecting.add(leaderId)
    const onDone = (): void => {
      this.#connecting.delete(leaderId)
      this.pump()
    }
    this.#cluster.connectTo(leaderId).then(onDone, () => {
      this.#staleness.mark()
      onDone()
    })
  }

  #fetch(connection: Connection, link: Link, partitions: readonly AssignedPartition[]): void {
    const { prefetchBytes, fetchMaxBytes } = this.#settings
    const share = Math.ceil(prefetchBytes / 2 / fetchesInFlightMax / Math.max(1, this.#links.size))
    const items = partitions.map(partition => {
      partition.isFetching = true
      // Served first is last the next time: the limit of an answer must not always hit the same ones.
      this.#partitions.delete(partition)
      this.#partitions.add(partition)
      const leader = this.#cluster.leader(partition.topic, partition.partition)!
      return { partition, generation: partition.generation, leaderEpoch: leader.leaderEpoch }
    })
    link.inFlight++
    this.#stats.fetchesSent++
    sendFetch(connection, items, Math.min(fetchMaxBytes, share), this.#settings, this.#signal).then(
      answers => {
        link.inFlight--
        link.failures = 0
        for (const [i, item] of items.entries()) this.#onAnswer(item, answers[i]!)
        this.pump()
        this.#onNews()
      },
      (error: unknown) => {
        link.inFlight--
        for (const { partition } of items) partition.isFetching = false
        if (this.#signal.aborted) return
        this.#stats.fetchesFailed++
        this.#backOff(link)
        if (error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT') this.#cluster.discard(connection)
        if (error instanceof ApiError && (error.isRetriable || error.code === 'UNKNOWN_SERVER_ERROR')) {
          this.#staleness.mark()
        } else for (const { partition } of items) this.#fail(partition, error as Error)
        this.pump()
        this.#onNews()
      },
    )
  }

  #onAnswer({ partition, generation }: FetchItem, answer: FetchAnswer): void {
    partition.isFetching = false
    if (partition.generation !== generation) return
    this.#stats.bytesFetched += answer.records.length
    const outcome = takeAnswer(partition, answer, this.#settings.onOffsetOutOfRange)
    if (outcome.kind === 'taken') this.line(partition)
    else if (outcome.kind === 'failed') this.#fail(partition, outcome.error)
    else {
      if (outcome.refreshMetadata) this.#staleness.mark()
      this.#backOff(partition)
    }
  }

  #fail(partition: AssignedPartition, error: Error): void {
    partition.failure = error
    this.line(partition)
    this.#onNews()
  }

  #backOff(waiting: { failures: number; notBeforeMs: number }): void {
    waiting.failures++
    const { clock, random } = this.#settings
    waiting.notBeforeMs = clock.nowMs() + backoffDelayMs(this.#settings, waiting.failures, random)
  }
}
