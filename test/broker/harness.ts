/** One broker over fake logs, a metadata source the test writes and a virtual clock, with handlers called as transport does. */
import assert from 'node:assert/strict'
import { type Broker, openBroker } from '../../src/broker/broker.ts'
import type { ControllerChannel } from '../../src/broker/ports.ts'
import type { BrokerPeers } from '../../src/broker/replication/sender-core.ts'
import { defaultReplicationSettings, type ReplicationSettings } from '../../src/broker/replication/settings.ts'
import type { BrokerSettings } from '../../src/broker/runtime.ts'
import type {
  MetadataDelta,
  MetadataImage,
  MetadataSource,
  PartitionImage,
  TopicImage,
} from '../../src/metadata/image.ts'
import { neverUnclean } from '../../src/metadata/record-types.ts'
import type { Api } from '../../src/protocol/api.ts'
import type { fetch, produce } from '../../src/protocol/apis/index.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import type { Codecs } from '../../src/protocol/batch/types.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { type Authorizer, allowAll, type RequestContext } from '../../src/transport/handler.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type NodeId, toBrokerEpoch, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { type FakeLog, FakeLogManager } from './fake-logs.ts'

export const self = toNodeId(1)
export const other = toNodeId(2)

export class FakeMetadata implements MetadataSource {
  topics = new Map<string, TopicImage>()
  brokerConfigs = new Map<NodeId, ReadonlyMap<string, string>>()
  /** Of the process that registered as `self`. */
  incarnationId = 'i'
  /** Where `other` is for nodes; `null`: nowhere. */
  peerUrl: string | null = null
  readonly #listeners = new Set<(image: MetadataImage, delta: MetadataDelta) => void>()

  image(): MetadataImage {
    return {
      clusterId: 'cluster',
      lastOffset: 0,
      brokers: new Map(
        [self, other].map(nodeId => [
          nodeId,
          { ...brokerImage(nodeId, this.incarnationId), peerUrl: nodeId === other ? this.peerUrl : null },
        ]),
      ),
      topics: {
        byName: new Map(this.topics),
        byId: new Map([...this.topics.values()].map(topic => [topic.id, topic])),
      },
      brokerConfigs: new Map(this.brokerConfigs),
      featureLevel: 0,
      sessions: { byClient: new Map() },
    }
  }

  subscribe(listener: (image: MetadataImage, delta: MetadataDelta) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  set(topic: TopicImage): void {
    const replaced = this.topics.get(topic.name)
    this.topics.set(topic.name, topic)
    this.#publish({
      changedTopicIds: new Set([topic.id]),
      deletedTopicIds: new Set(replaced && replaced.id !== topic.id ? [replaced.id] : []),
    })
  }

  delete(name: string): void {
    const { id } = this.topics.get(name)!
    this.topics.delete(name)
    this.#publish({ deletedTopicIds: new Set([id]) })
  }

  configureBroker(nodeId: NodeId, configs: Record<string, string>): void {
    this.brokerConfigs.set(nodeId, new Map(Object.entries(configs)))
    this.#publish({ changedBrokerConfigs: new Set([nodeId]) })
  }

  register(incarnationId: string): void {
    this.incarnationId = incarnationId
    this.#publish({ changedBrokers: new Set([self]) })
  }

  #publish(delta: Partial<MetadataDelta>): void {
    const none = new Set<never>()
    const whole = {
      changedTopicIds: none,
      deletedTopicIds: none,
      changedBrokers: none,
      changedBrokerConfigs: none,
      ...delta,
    }
    for (const listener of this.#listeners) listener(this.image(), whole)
  }
}

function brokerImage(nodeId: NodeId, incarnationId: string) {
  const epoch = toBrokerEpoch(nodeId)
  return {
    nodeId,
    epoch,
    url: `ws://node-${nodeId}`,
    rack: null,
    peerUrl: null,
    incarnationId,
    isFenced: nodeId !== self,
    isDraining: false,
    isUnfit: false,
  }
}

export function partitionImage(changes: Partial<PartitionImage> = {}): PartitionImage {
  return {
    replicas: [self],
    isr: [self],
    elr: [],
    addingReplicas: [],
    removingReplicas: [],
    offlineReplicas: [],
    leaderId: self,
    leaderEpoch: toLeaderEpoch(0),
    partitionEpoch: 0,
    uncleanEpoch: neverUnclean,
    ...changes,
  }
}

export function topicImage(
  name: string,
  changes: Partial<TopicImage> & { configs?: ReadonlyMap<string, string> } = {},
): TopicImage {
  return { id: `id-${name}`, name, partitions: [partitionImage()], configs: new Map(), ...changes }
}

export interface CallContext extends Partial<RequestContext> {
  /** Like a reader that does not take its answers. */
  keepsAnswers?: boolean
}

export interface Harness {
  readonly broker: Broker
  readonly metadata: FakeMetadata
  readonly logs: FakeLogManager
  readonly clock: VirtualClock
  readonly fatal: Error[]
  readonly forwarded: { api: string; body: unknown }[]
  log(topic?: string, partition?: number): FakeLog
  call<Q, S>(api: Api<Q, S>, body: Q, context?: CallContext): Promise<S | null>
}

export interface HarnessOptions {
  topics?: TopicImage[]
  settings?: Partial<BrokerSettings>
  authorizer?: Authorizer
  isInstant?: boolean
  answer?: (api: string, body: unknown) => unknown
  topicDefaults?: Record<string, string>
  codecs?: Partial<Codecs>
  incarnationId?: string
  replication?: Partial<ReplicationSettings>
  peers?: BrokerPeers
}

export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const metadata = new FakeMetadata()
  for (const topic of options.topics ?? [topicImage('t')]) metadata.topics.set(topic.name, topic)
  const logs = new FakeLogManager()
  logs.isInstant = options.isInstant ?? false
  const clock = new VirtualClock()
  const fatal: Error[] = []
  const forwarded: { api: string; body: unknown }[] = []
  const controller: ControllerChannel = {
    async request<Q, S>(api: Api<Q, S>, body: Q): Promise<S> {
      forwarded.push({ api: api.name, body })
      return options.answer?.(api.name, body) as S
    },
    async currentImage(timeoutMs) {
      forwarded.push({ api: 'currentImage', body: timeoutMs })
      options.answer?.('currentImage', timeoutMs)
      return metadata.image()
    },
  }
  const settings = {
    replication: { ...defaultReplicationSettings, ...options.replication },
    autoCreateTopics: true,
    fetchBytesMax: 1 << 20,
    fetchWaitMsMax: 60_000,
    fetchMemoryBytesMax: 1 << 20,
    retentionCheckIntervalMs: 300_000,
    ...options.settings,
  }
  const broker = await openBroker({
    nodeId: self,
    incarnationId: options.incarnationId ?? 'i',
    clusterId: 'cluster',
    settings,
    topicDefaults: new Map(Object.entries(options.topicDefaults ?? {})),
    describeConfig: () => [{ key: 'node.id', value: '1', source: 'broker-static', isReadOnly: true, doc: 'Id.' }],
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    codecs: { gzip: null, snappy: null, lz4: null, zstd: null, ...options.codecs },
    authorizer: options.authorizer ?? allowAll,
    metadata,
    controller,
    controllerId: () => self,
    logs,
    peers: options.peers ?? null,
    onFatal: error => fatal.push(error),
  })
  return {
    broker,
    metadata,
    logs,
    clock,
    fatal,
    forwarded,
    log: (topic = 't', partition = 0) => logs.logs.get(`${topic}-${partition}`) ?? assert.fail('no such log'),
    async call<Q, S>(api: Api<Q, S>, body: Q, context: CallContext = {}): Promise<S | null> {
      const handler = broker.handlers.find(h => h.api.key === api.key) ?? assert.fail(`no handler of ${api.name}`)
      const whole = { ...defaultContext, signal: new AbortController().signal, ...context }
      const response = (await handler.handle(body, whole)) as (S & Partial<Disposable>) | null
      // As the transport does when the bytes have left.
      if (context.keepsAnswers !== true) response?.[Symbol.dispose]?.()
      return response
    },
  }
}

const defaultContext = { connectionId: 1, principal: 'anonymous', clientId: 'test', listener: 'CLIENT', remote: 'test' }

/** One uncompressed batch. */
export function batchOf(values: readonly string[], timestamp = 1_700_000_000_000): Uint8Array {
  const builder = new BatchBuilder({ bytesMax: 1 << 20, compression: 'none', codec: null })
  for (const value of values) assert.ok(builder.tryAppend(null, value, null, timestamp))
  return builder.finish() as Uint8Array
}

type ProducePartition = Parameters<typeof produce.request.encode>[0]['partitions'][number]
type FetchPartition = Parameters<typeof fetch.request.encode>[0]['partitions'][number]

export function produceRequest(
  changes: { acks?: number; timeoutMs?: number; partitions?: Partial<ProducePartition>[] } = {},
) {
  const { acks = -1, timeoutMs = 30_000, partitions = [{}] } = changes
  const filled = partitions.map(p => ({
    topic: 't',
    topicId: null,
    partition: 0,
    leaderEpoch: -1,
    sendEpoch: -1,
    records: batchOf(['v']),
    ...p,
  }))
  return { acks, timeoutMs, partitions: filled }
}

export function fetchRequest(
  changes: {
    maxWaitMs?: number
    minBytes?: number
    maxBytes?: number
    format?: 'batches' | 'records'
    isolationLevel?: number
    rack?: string | null
    partitions?: Partial<FetchPartition>[]
  } = {},
) {
  const { partitions = [{}], ...rest } = changes
  const filled = partitions.map(p => ({
    topic: 't',
    topicId: null,
    partition: 0,
    leaderEpoch: -1,
    fetchOffset: 0,
    maxBytes: 1 << 20,
    lastFetchedEpoch: -1,
    ...p,
  }))
  return {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 1 << 20,
    isolationLevel: 0,
    format: 'batches' as const,
    rack: null,
    ...rest,
    partitions: filled,
  }
}

export const errorsOf = (response: { partitions: { errorCode: number }[] } | null) =>
  response!.partitions.map(partition => errorName(partition.errorCode))

export const batchCounts = (response: { partitions: { records: unknown }[] } | null) =>
  response!.partitions.map(({ records }) => splitBatches(records as Uint8Array).length)

/** Whether `promise` is settled once everything that can run has run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  await turn()
  return settled
}

/** Lets every promise that is ready run. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
