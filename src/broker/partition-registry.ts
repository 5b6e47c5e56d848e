/**
 * The partitions of this broker, kept as the metadata wants them: every change of the image is turned into what each
 * partition should be, and each partition is moved there one step at a time (open, apply, close, remove). Steps of one
 * directory never overlap, so a topic deleted and created anew under its name gets the directory only after the old one
 * left it; topic ids decide whose data it is.
 */
import type { LogManager, TopicPartition } from '../log/types.ts'
import type { MetadataDelta, MetadataImage, MetadataSource, TopicImage } from '../metadata/image.ts'
import { type ResolvedTopicConfig, resolveTopicConfig } from '../metadata/topic-configs.ts'
import { limits } from '../protocol/common.ts'
import { ApiError, type Failure, isFailure } from '../protocol/errors.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { BrokerEpoch, NodeId } from '../util/numbers.ts'
import { secondMs } from '../util/units.ts'
import type { ReplicaEnvironment } from './leading.ts'
import { Partition } from './partition.ts'
import { brokerEpochsOf, type PartitionTerms, termsOf } from './partition-terms.ts'
import { StepGate } from './step-gate.ts'

export interface PartitionRegistryOptions {
  readonly nodeId: NodeId
  /** Of this process: what the metadata gave an earlier one of the same node is not this one's to lead. */
  readonly incarnationId: string
  readonly metadata: MetadataSource
  readonly logs: LogManager
  readonly logger: Logger
  /** Broker-wide defaults of topic configs, by the broker's keys. */
  readonly topicDefaults: ReadonlyMap<string, string>
  /** The disk failed under a log whose flush policy promises more than this process can now know. */
  readonly onFatal: (error: Error) => void
  readonly env: ReplicaEnvironment
}

interface Wanted {
  readonly id: TopicPartition
  readonly terms: PartitionTerms
}

/** One directory `<topic>-<partition>`. */
interface Slot {
  wanted: Wanted | null
  partition: Partition | null
  /** The partition could not be opened here, and why. For want of room (`DISK_FULL`) it is tried again. */
  failed: { id: TopicPartition; failure: Failure } | null
  /** The step under way and those after it. */
  settling: Promise<void> | null
}

/**
 * Making a directory takes a dozen calls that block and some syncs. A request for a thousand partitions must neither hold
 * the event loop nor fill the queue of the thread pool for as long as an election: this node's controller needs both.
 */
const stepsUnderWayMax = 4
/** From a directory that could not be made on a full disk to the next attempt. */
const openAgainMs = secondMs

export class PartitionRegistry {
  readonly #options: PartitionRegistryOptions
  readonly #topics = new Map<string, Map<number, Slot>>()
  /** Of the steps that make or remove directories. */
  readonly #gate = new StepGate(stepsUnderWayMax)
  #image: MetadataImage
  readonly #unsubscribe: () => void
  #isClosed = false
  /** Effective configs by topic id, with what they were made of. */
  readonly #configs = new Map<
    string,
    {
      readonly configs: ReadonlyMap<string, string>
      readonly dynamic: ReadonlyMap<string, string> | undefined
      readonly resolved: ResolvedTopicConfig
    }
  >()
  /** Of the image: what every partition is told of the brokers. */
  #brokers: { readonly isRegistered: boolean; readonly brokerEpochs: ReadonlyMap<NodeId, BrokerEpoch> }

  constructor(options: PartitionRegistryOptions) {
    this.#options = options
    this.#image = options.metadata.image()
    this.#brokers = this.#brokersOf(this.#image)
    this.#unsubscribe = options.metadata.subscribe((image, delta) => this.#onChange(image, delta))
    for (const topic of this.#image.topics.byName.values()) this.#wantTopic(topic)
  }

  /** The partition, if this broker leads it under this topic id (`null`: any) and leader epoch (-1: any). */
  find(topic: string, topicId: string | null, partition: number, leaderEpoch: number): Partition | Failure {
    const found = this.#find(topic, topicId, partition)
    return isFailure(found) ? found : (found.check(leaderEpoch) ?? found)
  }

  /** The same, or, for a reader that `mayFollow`, if this broker follows it. */
  findReadable(
    place: { readonly topic: string; readonly topicId: string | null; readonly partition: number },
    leaderEpoch: number,
    mayFollow: boolean,
  ): Partition | Failure {
    const found = this.#find(place.topic, place.topicId, place.partition)
    return isFailure(found) ? found : (found.checkRead(leaderEpoch, mayFollow) ?? found)
  }

  #find(topic: string, topicId: string | null, partition: number): Partition | Failure {
    if (this.#isClosed) return shuttingDown
    const known = this.#image.topics.byName.get(topic)
    if (known === undefined) return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `There is no topic ${topic}.` }
    if (topicId !== null && topicId !== known.id)
      return { error: 'UNKNOWN_TOPIC_ID', message: `Topic ${topic} has id ${known.id}.` }
    const slot = this.#topics.get(topic)?.get(partition)
    if (slot === undefined) return this.#notHere(known, partition)
    if (slot.failed !== null && slot.failed.id.topicId === known.id) return slot.failed.failure
    const found = slot.partition
    if (found === null || found.id.topicId !== known.id) {
      const isLed = known.partitions[partition]?.leaderId === this.#options.nodeId
      if (!isLed) return this.#notLed(known, partition)
      return { error: 'LEADER_NOT_AVAILABLE', message: `${topic}-${partition} is being opened.` }
    }
    return found
  }

  /** The replica that is here of a partition, led or not. */
  findReplica(topicId: string, partition: number): Partition | Failure {
    if (this.#isClosed) return shuttingDown
    const topic = this.#image.topics.byId.get(topicId)
    if (topic === undefined) return { error: 'UNKNOWN_TOPIC_ID', message: `No topic with id ${topicId} is known here.` }
    const slot = this.#topics.get(topic.name)?.get(partition)
    if (slot === undefined) return this.#notHere(topic, partition)
    if (slot.failed !== null && slot.failed.id.topicId === topicId) return slot.failed.failure
    if (slot.partition !== null && slot.partition.id.topicId === topicId) return slot.partition
    return { error: 'REPLICA_NOT_AVAILABLE', message: `${topic.name}-${partition} is being opened.` }
  }

  /** Of this process's registration, as the metadata known here have it; `null` before. */
  get brokerEpoch(): BrokerEpoch | null {
    if (!this.#brokers.isRegistered) return null
    return this.#image.brokers.get(this.#options.nodeId)?.epoch ?? null
  }

  /** Every open partition. */
  *all(): IterableIterator<Partition> {
    for (const slots of this.#topics.values()) {
      for (const { partition } of slots.values()) if (partition !== null) yield partition
    }
  }

  /** Partitions that belong here and cannot be served because the disk failed them or has no room for them. */
  get offlineCount(): number {
    let count = 0
    for (const _ of this.#offline()) count += 1
    return count
  }

  /**
   * Those of them that the metadata do not show as offline here; not more than one request can tell. One that waits for
   * room is not among them: that mark would stay when there is room again, and a full disk is told of by itself.
   */
  offlineNews(): readonly TopicPartition[] {
    const news: TopicPartition[] = []
    if (!this.#options.env.rules.failedReplicasAreTold) return news
    for (const { id, isForGood } of this.#offline()) {
      const known = this.#image.topics.byId.get(id.topicId)?.partitions[id.partition]
      const isNews =
        known?.replicas.includes(this.#options.nodeId) && !known.offlineReplicas.includes(this.#options.nodeId)
      if (isForGood && isNews && news.length < limits.items) news.push(id)
    }
    return news
  }

  *#offline(): IterableIterator<{ id: TopicPartition; isForGood: boolean }> {
    for (const slots of this.#topics.values()) {
      for (const { failed, partition } of slots.values()) {
        if (failed !== null) yield { id: failed.id, isForGood: failed.failure.error !== 'DISK_FULL' }
        else if (partition !== null && partition.log.failure !== null) yield { id: partition.id, isForGood: true }
      }
    }
  }

  /** Resolves once the partitions of `topics` (all, when not given) are as the metadata known now wants them. */
  async settled(topics: Iterable<string> = [...this.#topics.keys()]): Promise<void> {
    const steps: Promise<void>[] = []
    for (const topic of topics) {
      for (const slot of this.#topics.get(topic)?.values() ?? []) if (slot.settling !== null) steps.push(slot.settling)
    }
    await Promise.all(steps)
  }

  /** Serves nothing from now on. The logs stay open: the log manager closes them. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    const message = 'The node shut down before the records were acknowledged; they may be stored.'
    for (const partition of this.all()) partition.end(shuttingDown, { error: 'REQUEST_TIMED_OUT', message })
    await this.settled()
  }

  #notHere(topic: TopicImage, partition: number): Failure {
    if (topic.partitions[partition] === undefined) {
      return {
        error: 'UNKNOWN_TOPIC_OR_PARTITION',
        message: `Topic ${topic.name} has ${topic.partitions.length} partitions.`,
      }
    }
    return {
      error: 'NOT_LEADER_OR_FOLLOWER',
      message: `${topic.name}-${partition} is not on node ${this.#options.nodeId}.`,
    }
  }

  #notLed(topic: TopicImage, partition: number): Failure {
    const message = `Node ${this.#options.nodeId} does not lead ${topic.name}-${partition}.`
    return { error: 'NOT_LEADER_OR_FOLLOWER', message }
  }

  #brokersOf(image: MetadataImage) {
    const { nodeId, incarnationId, env } = this.#options
    const isRegistered =
      image.brokers.get(nodeId)?.incarnationId === incarnationId || !env.rules.leadsOnlyWhenRegistered
    return { isRegistered, brokerEpochs: brokerEpochsOf(image, nodeId) }
  }

  #onChange(image: MetadataImage, delta: MetadataDelta): void {
    const before = this.#image
    this.#image = image
    for (const topicId of delta.deletedTopicIds) {
      this.#configs.delete(topicId)
      const topic = before.topics.byId.get(topicId)
      // A topic of the same name may already be there again: then that one says what is wanted.
      if (topic !== undefined && !image.topics.byName.has(topic.name)) this.#wantNothing(topic.name)
    }
    const { nodeId, env } = this.#options
    if (delta.changedBrokers.size > 0) {
      this.#brokers = this.#brokersOf(image)
      env.senders.onBrokersChanged()
    }
    const concernsAll = delta.changedBrokerConfigs.has(nodeId) || delta.changedBrokers.size > 0
    const changed = concernsAll ? this.#withOwnTopics(delta.changedTopicIds) : delta.changedTopicIds
    for (const topicId of changed) {
      const topic = image.topics.byId.get(topicId)
      if (topic !== undefined) this.#wantTopic(topic)
    }
  }

  #withOwnTopics(topicIds: ReadonlySet<string>): ReadonlySet<string> {
    const all = new Set(topicIds)
    for (const name of this.#topics.keys()) {
      const topic = this.#image.topics.byName.get(name)
      if (topic !== undefined) all.add(topic.id)
    }
    return all
  }

  #wantTopic(topic: TopicImage): void {
    const config = this.#resolveConfig(topic)
    const slots = this.#topics.get(topic.name) ?? new Map<number, Slot>()
    for (const [partition, image] of topic.partitions.entries()) {
      if (!image.replicas.includes(this.#options.nodeId)) {
        this.#want(topic.name, slots, partition, null)
        continue
      }
      const id = { topic: topic.name, topicId: topic.id, partition }
      this.#want(topic.name, slots, partition, { id, terms: termsOf(image, config, this.#brokers) })
    }
    for (const partition of slots.keys()) {
      if (partition >= topic.partitions.length) this.#want(topic.name, slots, partition, null)
    }
    // Most topics of a large cluster have nothing here.
    if (slots.size > 0) this.#topics.set(topic.name, slots)
  }

  #wantNothing(topic: string): void {
    const slots = this.#topics.get(topic)
    for (const partition of slots?.keys() ?? []) this.#want(topic, slots!, partition, null)
  }

  #want(topic: string, slots: Map<number, Slot>, partition: number, wanted: Wanted | null): void {
    let slot = slots.get(partition)
    if (slot === undefined) {
      if (wanted === null) return
      slot = { wanted: null, partition: null, failed: null, settling: null }
      slots.set(partition, slot)
    }
    slot.wanted = wanted
    // The common change (an epoch, the ISR, a config) takes effect before anyone looks again.
    if (slot.settling !== null || applyTerms(slot)) return
    const settling = this.#settle(slot).then(() => {
      slot.settling = null
      if (slot.wanted === null && slot.partition === null) {
        slots.delete(partition)
        if (slots.size === 0 && this.#topics.get(topic) === slots) this.#topics.delete(topic)
      }
    })
    slot.settling = settling
  }

  /** Steps until the slot is what is wanted, which may change meanwhile. Never rejects. */
  async #settle(slot: Slot): Promise<void> {
    while (!applyTerms(slot) && !this.#isClosed) {
      if (slot.partition !== null) await this.#leave(slot, slot.partition)
      else if (slot.failed !== null) await this.#forgetFailed(slot, slot.failed.id)
      else if (slot.wanted !== null) await this.#openInTurn(slot, slot.wanted)
    }
  }

  #openInTurn(slot: Slot, wanted: Wanted): Promise<void> {
    return this.#gate.run(() => this.#open(slot, wanted))
  }

  async #open(slot: Slot, { id, terms }: Wanted): Promise<void> {
    const { logs, logger, env, onFatal } = this.#options
    // While it waited for its turn the topic was deleted.
    if (slot.wanted?.id.topicId !== id.topicId || this.#isClosed) return
    try {
      const log = await logs.openLog(id, terms.config)
      const highWatermark = logs.highWatermarks.get(id)
      if (log.failure !== null) logger.error({ ...id, error: log.failure }, 'a partition is damaged and offline')
      // What grows in the place of what was lost is not committed because that was.
      else await logs.highWatermarks.lower(id, log.logEndOffset)
      slot.partition = new Partition({
        env,
        log,
        terms,
        highWatermark,
        onFailure: (partition, error) => this.#onLogFailure(partition, error),
        onFatal,
      })
    } catch (error) {
      const isFull = error instanceof ApiError && error.code === 'DISK_FULL'
      const failed = {
        id,
        failure: { error: isFull ? error.code : 'KAFKA_STORAGE_ERROR', message: messageOf(error) },
      } as const
      slot.failed = failed
      logger.error({ ...id, error }, 'a partition could not be opened and is offline')
      if (isFull) env.clock.setTimer(openAgainMs, () => this.#openAgain(slot, failed))
    }
  }

  #openAgain(slot: Slot, failed: NonNullable<Slot['failed']>): void {
    // Meanwhile the topic may have been deleted, or the replica moved away.
    if (this.#isClosed || slot.failed !== failed || slot.wanted === null) return
    const { topic, partition } = failed.id
    slot.failed = null
    this.#want(topic, this.#topics.get(topic)!, partition, slot.wanted)
  }

  /** The topic was deleted, or the replica moved away. */
  async #leave(slot: Slot, partition: Partition): Promise<void> {
    const { topic, partition: number } = partition.id
    slot.partition = null
    const error = this.#isDeleted(partition.id) ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NOT_LEADER_OR_FOLLOWER'
    partition.end({ error, message: `${topic}-${number} is no longer here.` })
    await this.#remove(partition.id)
  }

  async #forgetFailed(slot: Slot, id: TopicPartition): Promise<void> {
    slot.failed = null
    // Damaged bytes of a living topic are evidence; those of a deleted one are in the way of the next.
    if (this.#isDeleted(id)) await this.#remove(id)
  }

  async #remove(id: TopicPartition): Promise<void> {
    const { logs, logger } = this.#options
    const reason = this.#isDeleted(id) ? 'its topic was deleted' : 'its replica moved away'
    try {
      await this.#gate.run(() => logs.removeLog(id))
      logger.info({ ...id, reason }, 'removed a partition')
    } catch (error) {
      logger.error({ ...id, reason, error }, 'a partition that is not wanted any more could not be removed')
    }
  }

  #isDeleted(id: TopicPartition): boolean {
    return !this.#image.topics.byId.has(id.topicId)
  }

  #resolveConfig(topic: TopicImage): ResolvedTopicConfig {
    const dynamic = this.#image.brokerConfigs.get(this.#options.nodeId)
    const known = this.#configs.get(topic.id)
    // Images share what did not change; the log is told of a config only when there is another.
    if (known?.configs === topic.configs && known.dynamic === dynamic) return known.resolved
    const defaults =
      dynamic === undefined ? this.#options.topicDefaults : new Map([...this.#options.topicDefaults, ...dynamic])
    const resolved = resolveTopicConfig(topic.configs, defaults)
    this.#configs.set(topic.id, { configs: topic.configs, dynamic, resolved })
    return resolved
  }

  #onLogFailure(partition: Partition, error: Error): void {
    this.#options.logger.error({ ...partition.id, error }, 'the disk failed under a partition: it is offline')
    // What a failed fdatasync left on disk cannot be known by asking again: pages are marked clean. Only a new process
    // that reads its files anew may go on. Damage that was found while reading concerns this partition alone.
    if (partition.config.flushPolicy === 'sync' && !(error instanceof CorruptionError)) this.#options.onFatal(error)
  }
}

/** Whether the slot is what is wanted; new terms of a partition that is here are applied on the way. */
function applyTerms(slot: Slot): boolean {
  const { wanted, partition, failed } = slot
  if (wanted === null) return partition === null && failed === null
  if (partition === null) return failed?.id.topicId === wanted.id.topicId
  if (partition.id.topicId !== wanted.id.topicId) return false
  partition.apply(wanted.terms)
  return true
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const shuttingDown: Failure = { error: 'SHUTTING_DOWN', message: 'The node is shutting down.' }
