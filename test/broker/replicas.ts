/**
 * Brokers in one process that replicate to each other: production code from the handlers to the logs, over memory
 * sockets, simulated disks and virtual time. The controller is played by the test, but for AlterPartition, which it grants.
 */
import assert from 'node:assert/strict'
import { type Broker, openBroker } from '../../src/broker/broker.ts'
import type { Partition } from '../../src/broker/partition.ts'
import type { ControllerChannel } from '../../src/broker/ports.ts'
import { defaultReplicationSettings, type ReplicationSettings } from '../../src/broker/replication/settings.ts'
import { openLogManager } from '../../src/log/log-manager.ts'
import type { LogManager } from '../../src/log/types.ts'
import type {
  BrokerImage,
  MetadataDelta,
  MetadataImage,
  MetadataSource,
  PartitionImage,
  TopicImage,
} from '../../src/metadata/image.ts'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/api.ts'
import { type alterPartition, produce } from '../../src/protocol/apis/index.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import { ApiError, isFailure } from '../../src/protocol/errors.ts'
import { type MemorySocket, memoryNetwork } from '../../src/simulation/memory-sockets.ts'
import { SimDisk } from '../../src/simulation/sim-disk.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { allowAll } from '../../src/transport/handler.ts'
import { type Listener, openListener } from '../../src/transport/listener.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type NodeId, toBrokerEpoch, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { batchOf, errorsOf, partitionImage, produceRequest, topicImage, turn } from './harness.ts'

const clusterId = 'cluster'
const peerUrlOf = (id: number): string => `ws://peer-${id}`

export interface ReplicasOptions {
  readonly ids?: readonly number[]
  readonly partitions?: number
  readonly configs?: Record<string, string>
  readonly replication?: Partial<ReplicationSettings>
  readonly tailCacheBytes?: number
  readonly latencyMs?: number
}

export class Replica implements MetadataSource {
  readonly id: NodeId
  readonly #cluster: Replicas
  readonly #listeners = new Set<(image: MetadataImage, delta: MetadataDelta) => void>()
  #image: MetadataImage
  disk = new SimDisk()
  broker!: Broker
  logs!: LogManager
  #listener!: Listener
  #unlisten: () => void = () => {}
  #sockets: MemorySocket[] = []
  lives = 0
  /** Learns nothing of the metadata while it is set. */
  isUninformed = false
  readonly fatal: Error[] = []

  constructor(cluster: Replicas, id: NodeId) {
    this.#cluster = cluster
    this.id = id
    this.#image = cluster.image()
  }

  image(): MetadataImage {
    return this.#image
  }

  subscribe(listener: (image: MetadataImage, delta: MetadataDelta) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sees the metadata as they are now. */
  inform(): void {
    if (this.isUninformed) return
    const image = this.#cluster.image()
    this.#image = image
    const delta = {
      changedTopicIds: new Set(image.topics.byId.keys()),
      deletedTopicIds: new Set<string>(),
      changedBrokers: new Set(image.brokers.keys()),
      changedBrokerConfigs: new Set<NodeId>(),
    }
    for (const listener of this.#listeners) listener(image, delta)
  }

  get incarnationId(): string {
    return `${this.id}/${this.lives}`
  }

  async start(): Promise<void> {
    const { clock, network, options } = this.#cluster
    this.lives++
    this.#cluster.register(this)
    this.#image = this.#cluster.image()
    this.logs = await openLogManager({
      directory: 'data',
      disk: this.disk,
      clock,
      codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
      logger: silentLogger,
      tailCacheBytesMax: options.tailCacheBytes ?? 1 << 20,
      readAheadBytesMax: 1 << 20,
      openFilesMax: 64,
      syncsInFlightMax: 2,
      unflushedBytesMax: 1 << 24,
      reserveBytes: 0,
    })
    this.broker = await openBroker({
      nodeId: this.id,
      incarnationId: this.incarnationId,
      clusterId,
      settings: {
        replication: { ...defaultReplicationSettings, ...options.replication },
        autoCreateTopics: false,
        fetchBytesMax: 1 << 24,
        fetchWaitMsMax: 60_000,
        fetchMemoryBytesMax: 1 << 24,
        retentionCheckIntervalMs: 300_000,
      },
      topicDefaults: new Map(),
      describeConfig: () => [],
      clock,
      random: seededRandom(this.id),
      logger: silentLogger,
      codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
      authorizer: allowAll,
      metadata: this,
      controller: this.#cluster.channel,
      controllerId: () => null,
      logs: this.logs,
      peers: {
        socketFactory: network.socketFactory,
        timing: { connectTimeoutMs: 1000, probeIntervalMs: 500, silenceMs: 3000, retryMsMin: 20, retryMsMax: 1000 },
      },
      onFatal: error => this.fatal.push(error),
    })
    this.#listener = openListener({
      name: 'CONTROLLER',
      handlers: this.broker.peerHandlers,
      identity: () => ({ clusterId, nodeId: this.id, software: 'test' }),
      clock,
      onFatal: error => this.fatal.push(error),
    })
    this.listen()
    this.#cluster.informAll()
  }

  /** Others reach it, and go on to. */
  listen(): void {
    this.#unlisten = this.#cluster.network.listen(peerUrlOf(this.id), socket => {
      this.#sockets.push(socket as MemorySocket)
      this.#listener.accept(socket)
    })
  }

  /** Connections that others have with it are gone; `isFor`: until `listen`, new ones are refused. */
  cutOff({ isForGood = true } = {}): void {
    if (isForGood) this.#unlisten()
    for (const socket of this.#sockets.splice(0)) socket.terminate()
  }

  /** As kill -9: the disk keeps what was written. */
  kill(): void {
    this.cutOff()
    this.#listeners.clear()
    this.disk = this.disk.kill()
    this.#cluster.unregister(this)
  }

  async stop(): Promise<void> {
    await this.broker[Symbol.asyncDispose]()
    await this.#listener.close(0)
    await this.logs[Symbol.asyncDispose]()
  }

  partition(number = 0): Partition {
    const found = this.broker.partitions.findReplica('id-t', number)
    return isFailure(found) ? assert.fail(found.message) : found
  }

  async call<Q, S>(api: Api<Q, S>, body: Q): Promise<S> {
    const handler = this.broker.handlers.find(each => each.api.key === api.key) ?? assert.fail(`no ${api.name}`)
    const signal = new AbortController().signal
    const context = { connectionId: 1, principal: 'anonymous', clientId: 't', listener: 'CLIENT', remote: 't', signal }
    const response = (await handler.handle(body, context)) as S & Partial<Disposable>
    response[Symbol.dispose]?.()
    return response
  }

  /** Produces each value as a batch of its own; resolves with the error of each. */
  async produce(values: readonly string[], { acks = -1, partition = 0, timeoutMs = 30_000 } = {}) {
    const answers = values.map(value =>
      this.call(produce, produceRequest({ acks, timeoutMs, partitions: [{ partition, records: batchOf([value]) }] })),
    )
    return (await Promise.all(answers)).map(answer => errorsOf(answer)[0])
  }

  /** Every batch of its log, whole. */
  async batches(partition = 0): Promise<Uint8Array[]> {
    const { log } = this.partition(partition)
    const found: Uint8Array[] = []
    for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
      const read = await log.read({
        fromOffset: offset,
        endOffset: log.logEndOffset,
        maxBytes: 1 << 20,
        minOneBatch: true,
      })
      const batches = read.flatMap(bytes => splitBatches(bytes)).map(batch => batch.slice())
      assert.ok(batches.length > 0, 'the log can be read to its end')
      found.push(...batches)
      offset += batches.length
    }
    return found
  }
}

export class Replicas {
  readonly clock = new VirtualClock()
  readonly network: ReturnType<typeof memoryNetwork>
  readonly options: ReplicasOptions
  readonly nodes = new Map<number, Replica>()
  readonly channel: ControllerChannel
  /** What the leaders asked for, in order. */
  readonly asked: RequestOf<typeof alterPartition>['partitions'][number]['newIsr'][] = []
  /** Answers AlterPartition requests instead of granting them, while it is set. */
  refuse: (() => never) | null = null
  #brokers = new Map<NodeId, BrokerImage>()
  #topic: TopicImage
  #epoch = 1

  constructor(options: ReplicasOptions = {}) {
    this.options = options
    this.network = memoryNetwork(this.clock, { latencyMs: options.latencyMs ?? 1 })
    const ids = (options.ids ?? [1, 2, 3]).map(toNodeId)
    const partitions = Array.from({ length: options.partitions ?? 1 }, () =>
      partitionImage({ replicas: ids, isr: ids, leaderId: ids[0]! }),
    )
    this.#topic = topicImage('t', { partitions, configs: new Map(Object.entries(options.configs ?? {})) })
    this.channel = {
      request: async <Q, S>(_api: Api<Q, S>, body: Q) => this.#alter(body as RequestOf<typeof alterPartition>) as S,
      currentImage: async () => this.image(),
    }
    for (const id of ids) this.nodes.set(id, new Replica(this, id))
  }

  /** Open, and run until nothing moves. */
  static async open(options: ReplicasOptions = {}): Promise<Replicas> {
    const cluster = new Replicas(options)
    for (const node of cluster.nodes.values()) await cluster.until(node.start())
    await cluster.run()
    return cluster
  }

  node(id: number): Replica {
    return this.nodes.get(id) ?? assert.fail(`no node ${id}`)
  }

  image(): MetadataImage {
    return {
      clusterId,
      lastOffset: this.#epoch,
      brokers: new Map(this.#brokers),
      topics: { byName: new Map([['t', this.#topic]]), byId: new Map([['id-t', this.#topic]]) },
      brokerConfigs: new Map(),
      featureLevel: 0,
      sessions: { byClient: new Map() },
    }
  }

  register({ id, incarnationId }: Replica): void {
    const epoch = toBrokerEpoch(this.#epoch++)
    const facts = { rack: `rack-${id}`, isFenced: false, isDraining: false, isUnfit: false }
    this.#brokers.set(id, {
      nodeId: id,
      epoch,
      url: `ws://node-${id}`,
      peerUrl: peerUrlOf(id),
      incarnationId,
      ...facts,
    })
  }

  /** Fenced, as a broker that is not heard of. */
  unregister({ id }: Replica): void {
    this.#brokers.set(id, { ...this.#brokers.get(id)!, isFenced: true })
  }

  informAll(): void {
    for (const node of this.nodes.values()) node.inform()
  }

  partitionImage(partition = 0): PartitionImage {
    return this.#topic.partitions[partition]!
  }

  /** What the controller decides about a partition; every broker that can be told is. */
  change(changes: Partial<PartitionImage>, partition = 0): void {
    const before = this.partitionImage(partition)
    const isNewLeader = changes.leaderId !== undefined
    const leaderEpoch = toLeaderEpoch(before.leaderEpoch + (isNewLeader ? 1 : 0))
    const after = { ...before, leaderEpoch, partitionEpoch: before.partitionEpoch + 1, ...changes }
    const partitions = this.#topic.partitions.map((each, at) => (at === partition ? after : each))
    this.#topic = { ...this.#topic, partitions }
    this.informAll()
  }

  #alter({ nodeId, brokerEpoch, partitions }: RequestOf<typeof alterPartition>): ResponseOf<typeof alterPartition> {
    this.refuse?.()
    if (this.#brokers.get(toNodeId(nodeId))?.epoch !== brokerEpoch) throw new ApiError('STALE_BROKER_EPOCH')
    return {
      partitions: partitions.map(item => {
        const { topicId, partition, leaderEpoch, partitionEpoch, newIsr } = item
        this.asked.push(newIsr)
        const before = this.partitionImage(partition)
        const place = { topicId, partition, errorMessage: null }
        const refused = { ...place, leaderId: -1, leaderEpoch: -1, isr: [], partitionEpoch: -1 }
        if (before.leaderEpoch !== leaderEpoch) return { ...refused, errorCode: 74 }
        if (before.partitionEpoch !== partitionEpoch) return { ...refused, errorCode: 95 }
        for (const member of newIsr) {
          const broker = this.#brokers.get(toNodeId(member.nodeId))!
          const isEligible = !broker.isFenced && broker.epoch === member.brokerEpoch
          if (!before.isr.includes(broker.nodeId) && !isEligible) return { ...refused, errorCode: 107 }
        }
        const isr = before.replicas.filter(id => newIsr.some(member => member.nodeId === id))
        const { removingReplicas } = before
        if (removingReplicas.length > 0 && !isr.some(id => removingReplicas.includes(id))) {
          const leader = isr.includes(toNodeId(nodeId)) ? {} : { leaderId: isr[0]! }
          this.change({ replicas: isr, isr, ...leader, addingReplicas: [], removingReplicas: [] }, partition)
          return { ...refused, errorCode: 95 }
        }
        this.change({ isr }, partition)
        const { partitionEpoch: after } = this.partitionImage(partition)
        return { ...place, errorCode: 0, leaderId: nodeId, leaderEpoch, isr, partitionEpoch: after }
      }),
    }
  }

  /** Runs for `ms` of virtual time and lets everything that follows from it happen. */
  async run(ms = 200): Promise<void> {
    const endMs = this.clock.nowMs() + ms
    for (;;) {
      await turn()
      const nextMs = this.clock.nextEventMs()
      if (nextMs === null || nextMs > endMs) break
      this.clock.advance(nextMs - this.clock.nowMs())
    }
    this.clock.advance(Math.max(0, endMs - this.clock.nowMs()))
    await turn()
  }

  /** Runs until `promise` is settled; fails when that takes more than `withinMs` of virtual time. */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    const endMs = this.clock.nowMs() + withinMs
    let isSettled = false
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    )
    for (await turn(); !isSettled; await turn()) {
      assert.ok(this.clock.nowMs() < endMs, 'it takes too long')
      if (!this.clock.step()) this.clock.advance(1)
    }
    return promise
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) await this.until(node.stop())
  }

  /** All logs hold the same bytes. */
  async assertAlike(ids: readonly number[] = [...this.nodes.keys()], partition = 0): Promise<Uint8Array[]> {
    const [first, ...others] = ids
    const expected = await this.until(this.node(first!).batches(partition))
    for (const id of others) {
      assert.deepEqual(await this.until(this.node(id).batches(partition)), expected, `node ${id} differs from ${first}`)
    }
    return expected
  }
}
