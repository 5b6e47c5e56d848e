/**
 * The consumer: which partitions are read from where, and the two ways to read them, record by record or batch by
 * batch. The fetcher brings batches, the record buffer decodes them and moves the positions.
 */
import { ApiError } from '../../protocol/errors.ts'
import { AbortError } from '../../util/errors.ts'
import { nameOf, type TopicPartition } from '../by-leader.ts'
import { Cluster } from '../cluster.ts'
import type { Connect } from '../connection.ts'
import type { WithPorts } from '../options.ts'
import { type Deferred, deferred, reasonOf } from '../wait.ts'
import { AssignedPartition, type Start } from './assigned-partition.ts'
import { Fetcher } from './fetcher.ts'
import { handOutBatch, handOutRecord } from './hand-out.ts'
import { type OpenBatch, RecordBuffer } from './record-buffer.ts'
import {
  type Assignment,
  type ConsumerBatch,
  type ConsumerOptions,
  type ConsumerRecord,
  type ConsumerSettings,
  type ConsumerStats,
  checkAssignment,
  checkStart,
  type Deserializers,
  type EpochStart,
  type PartitionProgress,
  resolveConsumer,
  type StartPosition,
} from './types.ts'

const end: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * Reads records. Connects when it is first iterated; follows leaders; fetches ahead of the application, bounded by
 * `prefetchBytes`. Leaving a loop keeps the position: the next loop goes on with the next record. Several loops at a
 * time share the records between them.
 *
 * An error ends the loop, not the consumer: after `seek` past what is damaged or gone, iterate again. Whoever iterates
 * without that gets the records of other partitions, and the error again after `retryBackoffMs`, doubling up to
 * `retryBackoffMsMax`. An iteration ends by itself after `close`, or with `until: 'end'` when all partitions have been read that far.
 */
export class Consumer<K = Uint8Array | null, V = Uint8Array | null>
  implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable
{
  readonly #settings: ConsumerSettings
  readonly #deserializers: Deserializers<K, V>
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #buffer: RecordBuffer
  readonly #stats: ConsumerStats
  readonly #closing = new AbortController()
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #signal: AbortSignal | undefined
  /** Topics all of whose partitions are read. */
  #topics: readonly string[]
  /** Seeks into partitions of `#topics` that are not known yet. */
  readonly #earlySeeks = new Map<string, Start>()
  /** The first look at the topics; begun anew if it failed. */
  #starting: Promise<void> | null = null
  #isStarted = false
  /** Iterators that wait for records. */
  #news: Deferred<void> | null = null
  #closed: Promise<void> | null = null

  /** Throws `ConfigError` for an option that cannot be. */
  constructor(options: WithPorts<ConsumerOptions<K, V>>, connect: Connect) {
    this.#settings = resolveConsumer(options as WithPorts<ConsumerOptions<unknown, unknown>>)
    this.#deserializers = options.deserializers ?? {}
    this.#topics = this.#settings.topics
    this.#stats = {
      recordsConsumed: 0,
      batchesConsumed: 0,
      bytesFetched: 0,
      fetchesSent: 0,
      fetchesFailed: 0,
      connectionsOpened: 0,
      bufferedBytes: 0,
    }
    this.#cluster = new Cluster(this.#settings, connect, { allowAutoTopicCreation: false })
    const { signal } = this.#closing
    this.#fetcher = new Fetcher(this.#settings, this.#cluster, this.#stats, signal, () => this.#tellNews())
    this.#buffer = new RecordBuffer(this.#fetcher, this.#settings.codecs, this.#stats)
    this.#cluster.onUpdate(() => this.#addPartitions('start'))
    for (const assignment of this.#settings.assignments) this.#add(assignment, this.#startOf(assignment))
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (this.#signal?.aborted === true) this.#onAbort()
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>, undefined> {
    return this.#iterate(batch => handOutRecord(batch, this.#deserializers, this.#stats))
  }

  /** Whole batches: the fast way. What a record loop has left of a batch comes first. */
  batches(): AsyncIterableIterator<ConsumerBatch<K, V>, undefined> {
    return this.#iterate(batch => handOutBatch(batch, this.#deserializers, this.#stats))
  }

  /** Replaces what is read. A partition that is read already keeps its position unless `offset` is given. */
  assign(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) checkAssignment(assignment)
    this.#topics = []
    const kept = new Set(assignments.map(nameOf))
    for (const [name, partition] of this.#partitions) {
      if (kept.has(name)) continue
      this.#partitions.delete(name)
      this.#fetcher.remove(partition)
    }
    for (const assignment of assignments) {
      const known = this.#partitions.get(nameOf(assignment))
      if (known === undefined) this.#add(assignment, this.#startOf(assignment))
      else if (assignment.offset !== undefined) this.#jump(known, this.#startOf(assignment))
    }
    this.#tellNews()
  }

  /**
   * The next record of the partition is the one at `offset`, or where `offset` says. Clears an error of the partition. With
   * `epochs`, as `progress` gave them, a log that was cut since then is noticed.
   */
  seek(
    to: TopicPartition & { readonly offset: StartPosition; readonly epochs?: readonly EpochStart[] | undefined },
  ): void {
    checkStart('offset', to)
    const known = this.#partitions.get(nameOf(to))
    if (known !== undefined) this.#jump(known, to)
    else if (this.#topics.includes(to.topic) && !this.#isStarted) this.#earlySeeks.set(nameOf(to), to)
    else throw new ApiError('INVALID_REQUEST', `${nameOf(to)} is not assigned`)
  }

  /** Hands out nothing of these partitions (all by default) until `resume`. What was fetched ahead is dropped. */
  pause(partitions: readonly TopicPartition[] = [...this.#partitions.values()]): void {
    for (const partition of this.#assigned(partitions)) {
      if (partition.isPaused) continue
      partition.isPaused = true
      partition.forget()
    }
    this.#fetcher.schedule()
  }

  resume(partitions: readonly TopicPartition[] = [...this.#partitions.values()]): void {
    for (const partition of this.#assigned(partitions)) {
      partition.isPaused = false
      this.#fetcher.line(partition)
    }
    this.#fetcher.schedule()
    this.#tellNews()
  }

  /** Offset of the next record to be handed out; `null` while it is being looked up. */
  position(of: TopicPartition): number | null {
    const [partition] = this.#assigned([of])
    return partition!.position < 0 ? null : partition!.position
  }

  /** Every assigned partition with how far it has been read. */
  progress(): PartitionProgress[] {
    const known = (offset: number): number | null => (offset < 0 ? null : offset)
    return [...this.#partitions.values()].map(p => ({
      topic: p.topic,
      partition: p.partition,
      position: known(p.position),
      highWatermark: known(p.highWatermark),
      logStartOffset: known(p.logStartOffset),
      epochs: p.trail.upTo(p.position),
      isPaused: p.isPaused,
    }))
  }

  stats(): ConsumerStats {
    const bufferedBytes = this.#fetcher.budget.bytes
    return { ...this.#stats, connectionsOpened: this.#cluster.nodes.connectionsOpened, bufferedBytes }
  }

  /** Ends iterations and closes the connections. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#closing.abort(new AbortError('the consumer is closed'))
    this.#fetcher.stop()
    this.#tellNews()
    await this.#cluster.close()
  }

  readonly #onAbort = (): void => {
    // Closing a socket cannot fail in a way that would matter to whoever aborted.
    this.close().then(undefined, () => {})
  }

  #iterate<T>(take: (batch: OpenBatch) => T): AsyncIterableIterator<T, undefined> {
    let isOver = false
    const later = async (): Promise<IteratorResult<T, undefined>> => {
      for (;;) {
        if (this.#signal?.aborted === true) throw reasonOf(this.#signal)
        if (isOver || this.#closing.signal.aborted) return end
        if (!this.#isStarted) {
          await this.#start()
          // Closing cuts it short, and has told its news by then.
          continue
        }
        const batch = this.#buffer.current()
        if (batch !== null) return { done: false, value: take(batch) }
        if (this.#isAtEnd()) return end
        if (this.#buffer.decoding !== null) await this.#buffer.decoding
        else await this.#whenNews()
      }
    }
    return {
      next: () => {
        if (isOver || !this.#isStarted || this.#closing.signal.aborted) return later()
        // What is here is handed out within one microtask: no async function in between.
        try {
          const batch = this.#buffer.current()
          return batch === null ? later() : Promise.resolve({ done: false, value: take(batch) })
        } catch (error) {
          return Promise.reject(error)
        }
      },
      return: () => {
        isOver = true
        return Promise.resolve(end)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #whenNews(): Promise<void> {
    this.#news ??= deferred()
    return this.#news.promise
  }

  #isAtEnd(): boolean {
    return this.#settings.untilEnd && [...this.#partitions.values()].every(partition => partition.isDone)
  }

  #tellNews(): void {
    this.#news?.resolve()
    this.#news = null
  }

  async #start(): Promise<void> {
    const topics = new Set([...this.#topics, ...[...this.#partitions.values()].map(partition => partition.topic)])
    this.#starting ??= Promise.all([...topics].map(topic => this.#cluster.topicReady(topic))).then(() => {
      this.#addPartitions(this.#settings.from)
      this.#isStarted = true
      this.#earlySeeks.clear()
      this.#fetcher.schedule()
    })
    try {
      await this.#starting
    } catch (error) {
      // Closing cuts the search short: the iteration ends, it does not fail.
      if (!this.#closing.signal.aborted) throw error
    } finally {
      this.#starting = null
    }
  }

  /** Partitions of the topics that are not read yet. Ones that appear later are read whole: nothing came before. */
  #addPartitions(from: StartPosition): void {
    if (from === 'start' && !this.#isStarted && this.#settings.from !== 'start') return
    for (const name of this.#topics) {
      const count = this.#cluster.topic(name)?.partitions.length ?? 0
      for (let partition = 0; partition < count; partition++) {
        const key = nameOf({ topic: name, partition })
        const start = this.#earlySeeks.get(key) ?? { offset: from }
        if (!this.#partitions.has(key)) this.#add({ topic: name, partition }, start)
      }
    }
  }

  #startOf({ offset = this.#settings.from, epochs }: Assignment): Start {
    return { offset, epochs }
  }

  #add({ topic, partition }: TopicPartition, start: Start): void {
    const name = nameOf({ topic, partition })
    if (this.#partitions.has(name)) return
    this.#cluster.want(topic)
    const assigned = new AssignedPartition(topic, partition, start, this.#settings.untilEnd, this.#fetcher.budget)
    this.#partitions.set(name, assigned)
    if (this.#closing.signal.aborted) return
    this.#fetcher.add(assigned)
  }

  #jump(partition: AssignedPartition, start: Start): void {
    partition.jump(start)
    // Whoever seeks after the topic was created anew means the new one.
    partition.topicId = null
    partition.unknownSinceMs = null
    this.#fetcher.schedule()
  }

  #assigned(partitions: readonly TopicPartition[]): AssignedPartition[] {
    return partitions.map(of => {
      const partition = this.#partitions.get(nameOf(of))
      if (partition === undefined) throw new ApiError('INVALID_REQUEST', `${nameOf(of)} is not assigned`)
      return partition
    })
  }
}
