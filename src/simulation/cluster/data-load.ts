/** Everything that is produced and consumed in a run: its topics, its clients, its history, and the judgement at the end. */
import { Admin } from '../../client/admin/admin.ts'
import { socketConnect } from '../../client/socket-connect.ts'
import { ApiError } from '../../protocol/errors.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { forkRandom } from '../quorum/cluster.ts'
import { Violation } from '../quorum/invariants/invariant.ts'
import { accountOf, checkRecords } from '../records/check.ts'
import { RecordsHistory } from '../records/operations.ts'
import { ClientMachine } from './client-machine.ts'
import type { NodeCluster } from './cluster.ts'
import { DataProducer } from './data-producer.ts'
import { DataReader } from './data-reader.ts'
import { configsOf } from './data-world.ts'
import { PartitionWatch } from './partition-watch.ts'
import { ShortLivedTopic } from './short-lived.ts'

/** Between two attempts to create what could not be created yet. */
const createAgainMs = 500

export class DataLoad {
  readonly watch: PartitionWatch
  readonly #cluster: NodeCluster
  readonly #history: RecordsHistory
  readonly #producers: readonly DataProducer[]
  readonly #readers: readonly DataReader[]
  readonly #shortLived: ShortLivedTopic | null
  readonly #founder: ClientMachine
  readonly #last: DataReader
  readonly ids: readonly NodeId[]
  #events = 0
  #values = 0
  #names = 0
  #areTopicsThere = false
  #isBeginning = false
  #isRetired = false

  constructor(cluster: NodeCluster, firstId: number, random: Random) {
    this.#cluster = cluster
    this.#history = new RecordsHistory(() => ++this.#events)
    this.watch = new PartitionWatch(cluster)
    const { data } = cluster.world
    const ids = Array.from({ length: data.producerCount + data.readerCount + 3 }, (_, at) => toNodeId(firstId + at))
    const machines = ids.map(id => new ClientMachine(id, cluster, forkRandom(random)))
    const newName = (): string => `n${++this.#names}`
    const shared = { world: data, history: this.#history, watch: this.watch, newName }
    const newValue = (): number => ++this.#values
    this.ids = ids
    this.#founder = machines.shift()!
    const shortLived = machines.shift()!
    this.#shortLived = data.shortLived && new ShortLivedTopic(shortLived, data.shortLived, this.watch)
    this.#last = new DataReader({ ...shared, machine: machines.shift()! })
    this.#producers = machines
      .splice(0, data.producerCount)
      .map(machine => new DataProducer({ ...shared, machine, newValue }))
    this.#readers = machines.map(machine => new DataReader({ ...shared, machine }))
  }

  get operations(): number {
    return this.#history.operations.length
  }

  start(): void {
    this.#isBeginning = true
    this.#shortLived?.start()
    this.#begin().then(
      () => {
        this.#isBeginning = false
      },
      error => this.#cluster.fail(error),
    )
  }

  /** Nothing further is sent or read. */
  retire(): void {
    this.#isRetired = true
    this.#shortLived?.retire()
    for (const producer of this.#producers) producer.retire()
  }

  get isIdle(): boolean {
    return (
      !this.#isBeginning && this.#shortLived?.isIdle !== false && this.#producers.every(producer => producer.isIdle)
    )
  }

  /** Reads everything, when all is well again. */
  async readAll(): Promise<void> {
    if (this.#areTopicsThere) await this.#last.readAll()
    // What was cut off they must have been told by then.
    if (this.#areTopicsThere) await Promise.all(this.#readers.map(reader => reader.untilAlike(this.#last.view)))
    for (const reader of this.#readers) reader.retire()
  }

  /** Throws `Violation`. */
  judge(): void {
    for (const { batchesRetried } of this.#producers) if (batchesRetried > 0) this.#cluster.sometimes.produceRetried++
    const verdict = checkRecords(this.#history.operations, {
      isComplete: true,
      isIdempotent: false,
      isOrderedInFlight: true,
      isDense: true,
      isCut: this.#cluster.world.data.topics.some(({ isUncleanAllowed }) => isUncleanAllowed),
    })
    if (verdict.anomalies.some(({ name }) => name === 'duplicate')) this.#cluster.sometimes.producedTwice++
    if (!verdict.isValid) throw new Violation(`records:\n${accountOf(verdict)}`)
  }

  async #begin(): Promise<void> {
    const options = this.#founder.options()
    const admin = new Admin(options, socketConnect(options))
    for (const topic of this.#cluster.world.data.topics) {
      const { name, partitions: numPartitions, replicationFactor } = topic
      const configs = configsOf(topic)
      const create = (): Promise<unknown> =>
        admin.createTopics({ topics: [{ name, numPartitions, replicationFactor, configs }] })
      while (!this.#isRetired && !(await this.#isDone(create))) await this.#pause()
    }
    if (this.#isRetired) return
    this.#areTopicsThere = true
    for (const producer of this.#producers) producer.start()
    for (const reader of this.#readers) reader.start()
  }

  async #isDone(create: () => Promise<unknown>): Promise<boolean> {
    try {
      await create()
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.code === 'TOPIC_ALREADY_EXISTS') return true
      // Not enough brokers are there yet.
      if (error.isRetriable || error.code === 'INVALID_REPLICATION_FACTOR') return false
      throw new Violation(`a topic cannot be created: ${error.message}`, { cause: error })
    }
  }

  #pause(): Promise<void> {
    return new Promise(resolve => void this.#cluster.timeline.after(createAgainMs, resolve))
  }
}
