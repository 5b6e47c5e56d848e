/**
 * A topic of records that is created, produced to, read, deleted, and created anew under its name, again and again. What
 * was acknowledged is read as long as the topic lives; nothing of an earlier topic of that name is ever read.
 */
import { Admin } from '../../client/admin/admin.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import { Producer } from '../../client/producer/producer.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import type { MetadataImage } from '../../metadata/image.ts'
import { ApiError } from '../../protocol/errors.ts'
import { hold, Violation } from '../quorum/invariants/invariant.ts'
import { type ClientMachine, requestTimeoutMs } from './client-machine.ts'
import { configsOf, type DataTopic } from './data-world.ts'
import type { PartitionWatch } from './partition-watch.ts'

const againMs = 200
/** An answer to one attempt is not waited for longer. */
const attemptMs = 2_000
const sendsMax = 8
const decoder = new TextDecoder()

/** What one topic was told to keep, by partition and offset. */
type Kept = Map<string, string>

export class ShortLivedTopic {
  readonly #machine: ClientMachine
  readonly #topic: DataTopic
  readonly #watch: PartitionWatch
  readonly #admin: Admin
  /** Of all topics that had the name. */
  #generation = 0
  #consumer: Consumer | null = null
  #isRetired = false
  #isRunning = false

  constructor(machine: ClientMachine, topic: DataTopic, watch: PartitionWatch) {
    this.#machine = machine
    this.#topic = topic
    this.#watch = watch
    const options = machine.options(machine.everywhere())
    this.#admin = new Admin(options, socketConnect(options))
  }

  get isIdle(): boolean {
    return !this.#isRunning
  }

  start(): void {
    this.#isRunning = true
    this.#live().then(
      () => {
        this.#isRunning = false
      },
      error => this.#machine.cluster.fail(error),
    )
  }

  /** Ends with the step that it is at; the topic of that moment stays. */
  retire(): void {
    this.#isRetired = true
    // It reads for as long as a leader is missing.
    this.#consumer?.close().catch(error => this.#machine.cluster.fail(error))
  }

  async #live(): Promise<void> {
    const { name, partitions: numPartitions, replicationFactor } = this.#topic
    const created = { name, numPartitions, replicationFactor, configs: configsOf(this.#topic) }
    for (;;) {
      if (!(await this.#until(() => this.#admin.createTopics({ topics: [created] }), 'TOPIC_ALREADY_EXISTS'))) return
      this.#generation++
      const kept = await this.#produce()
      if (this.#isRetired) return
      if (this.#machine.random.nextInt(4) > 0 && !(await this.#readAll(kept))) return
      if (!(await this.#until(() => this.#admin.deleteTopics({ topics: [name] }), 'UNKNOWN_TOPIC_OR_PARTITION'))) return
    }
  }

  /** Again and again, until it is done, or `isDone` says that it was; false when there is no more time. */
  async #until(act: () => Promise<unknown>, isDone: string): Promise<boolean> {
    while (!this.#isRetired) {
      try {
        await act()
        return true
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        if (error.code === isDone) return true
        if (!error.isRetriable && error.code !== 'INVALID_REPLICATION_FACTOR')
          throw new Violation(`${this.#topic.name}: ${error.message}`, { cause: error })
      }
      await this.#pause()
    }
    return false
  }

  async #produce(): Promise<Kept> {
    const machine = this.#machine
    const topic = this.#topic
    const options = { ...machine.options(), requestTimeoutMs: attemptMs, deliveryTimeoutMs: requestTimeoutMs }
    const producer = new Producer(options, socketConnect(options))
    const kept: Kept = new Map()
    const send = async (at: number): Promise<void> => {
      const partition = machine.random.nextInt(topic.partitions)
      const value = `${this.#generation} ${at}`
      const isCertain = this.#isKnownEverywhere()
      try {
        const [answer] = await producer.send({ topic: topic.name, messages: [{ partition, value }] })
        if (!isCertain) return
        kept.set(placeOf(partition, answer!.offset), value)
        machine.cluster.sometimes.shortLivedAcknowledged++
        this.#watch.acknowledged(topic.name, partition, answer!.offset + 1)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        if (!error.isRetriable) throw new Violation(`${topic.name}: ${error.message}`, { cause: error })
      }
    }
    await Promise.all(Array.from({ length: 1 + machine.random.nextInt(sendsMax) }, (_, at) => send(at)))
    await producer.close()
    return kept
  }

  /** Everything, from the beginning; false when there is no more time. */
  async #readAll(kept: Kept): Promise<boolean> {
    const { name, partitions } = this.#topic
    const machine = this.#machine
    const options = {
      ...machine.options(),
      assignments: Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, offset: 0 })),
      requestTimeoutMs: attemptMs,
      until: 'end' as const,
    }
    while (!this.#isRetired) {
      if (!this.#isKnownEverywhere()) {
        await this.#pause()
        continue
      }
      const consumer = new Consumer(options, socketConnect(options))
      this.#consumer = consumer
      const missing = new Map(kept)
      try {
        for await (const batch of consumer.batches()) {
          for (const { offset, value } of batch.records)
            this.#onRead(batch.partition, offset, decoder.decode(value!), missing)
        }
        if (this.#isRetired) return false
        hold(missing.size === 0, 'what was acknowledged is read', () => `${name} lacks ${JSON.stringify([...missing])}`)
        machine.cluster.sometimes.shortLivedRead++
        return true
      } catch (error) {
        if (this.#isRetired) return false
        if (!(error instanceof ApiError)) throw error
        if (!error.isRetriable) throw new Violation(`${name}: ${error.message}`, { cause: error })
      } finally {
        await consumer.close()
      }
      await this.#pause()
    }
    return false
  }

  #onRead(partition: number, offset: number, value: string, missing: Kept): void {
    const place = placeOf(partition, offset)
    const account = (): string => `${this.#topic.name} at ${place}: ${value}, in generation ${this.#generation}`
    hold(value.startsWith(`${this.#generation} `), 'nothing of a deleted topic is read', account)
    hold((missing.get(place) ?? value) === value, 'an offset has one value', account)
    missing.delete(place)
  }

  /** Who has not heard yet that a topic was deleted serves it, as long as it needs nobody else for that. */
  #isKnownEverywhere(): boolean {
    const { history, machines } = this.#machine.cluster
    const idIn = (image: MetadataImage | undefined): string | undefined =>
      image?.topics.byName.get(this.#topic.name)?.id
    const nodes = [...machines.values()].flatMap(({ life }) => (life === null || life.node === null ? [] : [life.node]))
    const topicId = idIn(history.latest ?? undefined)
    return nodes.every(({ controller }) => idIn(controller.metadata.image()) === topicId)
  }

  #pause(): Promise<void> {
    return new Promise(resolve => void this.#machine.cluster.timeline.after(againMs, resolve))
  }
}

function placeOf(partition: number, offset: number): string {
  return `${partition}:${offset}`
}
