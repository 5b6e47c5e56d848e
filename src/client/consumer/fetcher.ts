/**
 * Keeps batches coming for the assigned partitions: one fetch after another to every leader, sent as soon as the last
 * one is answered, so that the next batches travel while the application works on these. Bounded: fetching stops while
 * half of `prefetchBytes` waits, and no answer may be larger than its share of the other half.
 *
 * The offset to fetch moves only with what an answer contains. A lost connection or a new leader therefore leaves
 * neither a gap nor a repeat, and costs no wait here: the view is refreshed at once, and again at short intervals, and
 * the new leader is asked as soon as it is known.
 */
import { ApiError, type ErrorName, errorName } from '../../protocol/errors.ts'
import { Fifo } from '../../util/fifo.ts'
import { KiB } from '../../util/units.ts'
import { type Cluster, isRetriable } from '../cluster.ts'
import type { Connection } from '../connection.ts'
import { answerLateMs } from '../options.ts'
import { Staleness } from '../staleness.ts'
import { backoffDelayMs, catchUpDelayMs } from '../wait.ts'
import { WakeTimer } from '../wake-timer.ts'
import type { AssignedPartition, Budget } from './assigned-partition.ts'
import { type FetchAnswer, type FetchItem, sendFetch } from './fetch-request.ts'
import { FetchRoutes } from './fetch-routes.ts'
import { LateFetches } from './late-fetches.ts'
import { locate } from './locate.ts'
import { takeAnswer } from './take-answer.ts'
import type { ConsumerSettings, ConsumerStats } from './types.ts'

/** A second fetch may go to a leader whose first one waits for records of other partitions. */
const fetchesInFlightMax = 2
/** No partition is kept from fetching below this, however many there are. */
const partitionShareBytesMin = 64 * KiB

/** The node asked has only to catch up with what others know already. */
const catchingUp: readonly ErrorName[] = ['UNKNOWN_LEADER_EPOCH', 'OFFSET_NOT_AVAILABLE', 'REPLICA_NOT_AVAILABLE']

/** What can be asked of a node in one request. */
interface Group {
  readonly nodeId: number
  readonly rack: string | null
  readonly items: FetchItem[]
}

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
  readonly #ready = new Fifo<AssignedPartition>()
  readonly #links = new Map<number, Link>()
  readonly #connecting = new Set<number>()
  readonly #timer: WakeTimer
  readonly #staleness: Staleness
  readonly #routes: FetchRoutes
  readonly #lateFetches: LateFetches
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
    this.#routes = new FetchRoutes(settings, cluster, this.#staleness)
    this.#lateFetches = new LateFetches(cluster, this.#staleness, this.#routes)
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

  /**
   * The application has been told of the partition's failure. Until it seeks it is told again, each time a little later:
   * a loop that iterates after every error would else hear nothing but it, and let nothing else run.
   */
  onTold(partition: AssignedPartition): void {
    this.#backOff(partition)
    this.schedule()
  }

  /** Sends every fetch that may be sent now. */
  pump(): void {
    if (this.#signal.aborted) return
    const nowMs = this.#settings.clock.nowMs()
    let wakeMs = Math.min(this.#lateFetches.look(nowMs), this.#maybeLocate(nowMs), this.#tellAgain(nowMs))
    if (this.budget.bytes < this.#settings.prefetchBytes / 2) {
      const { groups, nextMs } = this.#fetchable(nowMs)
      wakeMs = Math.min(wakeMs, nextMs)
      for (const group of groups) wakeMs = Math.min(wakeMs, this.#fetchFrom(group, nowMs))
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
      if (partition.isLocated && partition.failure === null) continue
      if (error !== null && !isRetriable(error)) partition.failure = error as Error
      else this.#backOff(partition)
      this.line(partition)
    }
    this.pump()
    this.#onNews()
  }

  /** Returns when to look again. */
  #tellAgain(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    let hasNews = false
    for (const partition of this.#partitions) {
      if (partition.failure === null || partition.isReady || partition.isPaused) continue
      if (partition.notBeforeMs > nowMs) nextMs = Math.min(nextMs, partition.notBeforeMs)
      else {
        this.line(partition)
        hasNews = true
      }
    }
    if (hasNews) this.#onNews()
    return nextMs
  }

  /** Partitions to fetch, by the node that has them, and when another may become so. */
  #fetchable(nowMs: number): { groups: Iterable<Group>; nextMs: number } {
    const groups = new Map<string, Group>()
    const shareBytes = this.#shareBytes()
    let nextMs = Number.POSITIVE_INFINITY
    for (const partition of this.#partitions) {
      const { isPaused, fetch, isLocated, failure, stopOffset, fetchOffset, isCompared } = partition
      if (isPaused || fetch !== null || !isLocated || failure !== null || partition.bufferedBytes >= shareBytes)
        continue
      if (stopOffset !== null && fetchOffset >= stopOffset && isCompared) continue
      const route = this.#routes.find(partition, nowMs)
      if (route === null) continue
      if (route instanceof ApiError) {
        this.#fail(partition, route)
        continue
      }
      // A new leader need not wait for what the last one has earned.
      const mustWait = partition.notBeforeMs > nowMs && route.leaderEpoch <= partition.failedEpoch
      if (mustWait) {
        if (partition.wantsSuccessor) this.#staleness.mark()
        nextMs = Math.min(nextMs, partition.notBeforeMs)
        continue
      }
      const { nodeId, rack } = route
      const key = `${nodeId} ${rack === null}`
      const group = groups.get(key) ?? { nodeId, rack, items: [] }
      groups.set(key, group)
      const { generation } = partition
      group.items.push({ partition, fetch: { generation, nodeId, leaderEpoch: route.leaderEpoch } })
    }
    return { groups: groups.values(), nextMs }
  }

  /** Returns when to look again. */
  #fetchFrom(group: Group, nowMs: number): number {
    const { nodeId } = group
    let link = this.#links.get(nodeId)
    if (link === undefined) this.#links.set(nodeId, (link = { inFlight: 0, failures: 0, notBeforeMs: 0 }))
    if (link.notBeforeMs > nowMs) {
      this.#staleness.mark()
      return link.notBeforeMs
    }
    if (link.inFlight >= fetchesInFlightMax) return Number.POSITIVE_INFINITY
    const connection = this.#cluster.nodes.openTo(nodeId)
    if (connection !== null) return this.#fetch(connection, link, group, nowMs)
    this.#connect(nodeId)
    return nowMs + answerLateMs
  }

  #connect(nodeId: number): void {
    // While it cannot be reached, another may become leader in its place.
    if (this.#cluster.nodes.isUnreachable(nodeId)) this.#staleness.mark()
    if (this.#connecting.has(nodeId)) return
    this.#connecting.add(nodeId)
    const onDone = (): void => {
      this.#connecting.delete(nodeId)
      this.pump()
    }
    this.#cluster.nodes.connectTo(nodeId).then(onDone, onDone)
  }

  #fetch(connection: Connection, link: Link, { items, rack }: Group, nowMs: number): number {
    const { prefetchBytes, fetchMaxBytes, fetchMaxWaitMs } = this.#settings
    const share = Math.ceil(prefetchBytes / 2 / fetchesInFlightMax / Math.max(1, this.#links.size))
    for (const { partition, fetch } of items) {
      partition.fetch = fetch
      // Served first is last the next time: the limit of an answer must not always hit the same ones.
      this.#partitions.delete(partition)
      this.#partitions.add(partition)
    }
    link.inFlight++
    this.#stats.fetchesSent++
    const sent = { connection, items, lateAtMs: nowMs + fetchMaxWaitMs + answerLateMs }
    this.#lateFetches.add(sent)
    const limits = { maxBytes: Math.min(fetchMaxBytes, share), rack }
    sendFetch(connection, items, limits, this.#settings, this.#signal).then(
      answers => {
        link.inFlight--
        link.failures = 0
        this.#lateFetches.remove(sent)
        for (const [i, item] of items.entries()) this.#onAnswer(item, answers[i]!)
        this.pump()
        this.#onNews()
      },
      (error: unknown) => {
        link.inFlight--
        this.#lateFetches.remove(sent)
        this.#onFetchFailed(connection, link, items, error)
      },
    )
    return sent.lateAtMs
  }

  #onFetchFailed(connection: Connection, link: Link, items: readonly FetchItem[], error: unknown): void {
    // What was given up already is fetched elsewhere.
    const own = items.filter(({ partition, fetch }) => partition.fetch === fetch)
    for (const { partition } of own) partition.fetch = null
    if (this.#signal.aborted) return
    this.#stats.fetchesFailed++
    this.#backOff(link)
    if (error instanceof ApiError && error.code === 'REQUEST_TIMED_OUT') this.#cluster.nodes.discard(connection)
    if (error instanceof ApiError && (error.isRetriable || error.code === 'UNKNOWN_SERVER_ERROR')) {
      this.#staleness.mark()
      const nowMs = this.#settings.clock.nowMs()
      for (const { partition, fetch } of own) this.#routes.onFailed(partition, fetch.nodeId, error.code, nowMs)
    } else for (const { partition } of own) this.#fail(partition, error as Error)
    this.pump()
    this.#onNews()
  }

  #onAnswer({ partition, fetch }: FetchItem, answer: FetchAnswer): void {
    if (partition.fetch !== fetch) return
    partition.fetch = null
    if (partition.generation !== fetch.generation) return
    const { clock, onOffsetOutOfRange } = this.#settings
    const nowMs = clock.nowMs()
    const code = errorName(answer.errorCode)
    if (code !== null && this.#routes.onFailed(partition, fetch.nodeId, code, nowMs)) return
    this.#stats.bytesFetched += answer.records.length
    const outcome = takeAnswer(partition, answer, fetch.leaderEpoch, onOffsetOutOfRange)
    if (outcome.kind === 'taken') this.line(partition)
    else if (outcome.kind === 'dropped') return
    else if (outcome.kind === 'named') this.#routes.onNamed(partition, outcome.nodeId, nowMs)
    else if (outcome.kind === 'reset') this.#onReset(partition, outcome.error)
    else if (outcome.kind === 'failed') this.#fail(partition, outcome.error)
    else {
      partition.failedEpoch = fetch.leaderEpoch
      partition.wantsSuccessor = outcome.refreshMetadata
      if (outcome.refreshMetadata) this.#staleness.mark()
      this.#backOff(partition, catchingUp.includes(outcome.code) ? catchUpDelayMs : backoffDelayMs)
    }
  }

  /** The application asked for it, and may have lost records by it: whoever reads the log should know. */
  #onReset({ topic, partition, start, position }: AssignedPartition, error: ApiError): void {
    this.#settings.logger.warn(
      { topic, partition, resetTo: start ?? position, error: error.message },
      'the position was reset',
    )
  }

  #fail(partition: AssignedPartition, error: Error): void {
    partition.failure = error
    this.line(partition)
    this.#onNews()
  }

  #backOff(waiting: { failures: number; notBeforeMs: number }, delayOf = backoffDelayMs): void {
    waiting.failures++
    const { clock, random } = this.#settings
    waiting.notBeforeMs = clock.nowMs() + delayOf(this.#settings, waiting.failures, random)
  }
}
