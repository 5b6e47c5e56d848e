/**
 * A broker: the partitions this node holds and the handlers that serve them, put together from its ports. It follows the
 * metadata it is given and decides nothing about the cluster; what changes the cluster goes through the controller.
 */
import type { LogManager } from '../log/types.ts'
import type { Handler } from '../transport/handler.ts'
import { Disposables } from '../util/disposables.ts'
import type { BrokerEpoch } from '../util/numbers.ts'
import { Deadlines } from './deadlines.ts'
import { FetchMemory } from './fetch-memory.ts'
import { unfitReason } from './fitness.ts'
import { openRecordGateway } from './gateway/open-gateway.ts'
import type { RecordGateway } from './gateway/record-gateway.ts'
import { brokerHandlers } from './handlers/index.ts'
import { peerHandlers } from './handlers/peer.ts'
import { HighWatermarkCheckpoint } from './high-watermark-checkpoint.ts'
import type { Leading } from './leading.ts'
import { PartitionRegistry } from './partition-registry.ts'
import { IsrProposer } from './replication/isr-proposer.ts'
import { type ReplicationOverview, replicationOverview } from './replication/overview.ts'
import type { BrokerPeers } from './replication/sender-core.ts'
import { ReplicaSenders } from './replication/senders.ts'
import { CatchUpThrottle } from './replication/throttle.ts'
import { Retention } from './retention.ts'
import { type BrokerRules, soundBrokerRules } from './rules.ts'
import type { BrokerRuntime } from './runtime.ts'
import { BrokerStats } from './stats.ts'

export interface BrokerOptions
  extends Omit<
    BrokerRuntime,
    'partitions' | 'deadlines' | 'fetchMemory' | 'stats' | 'rules' | 'isHandingOver' | 'isDraining'
  > {
  /** Stays the caller's: closed after the broker. */
  readonly logs: LogManager
  /** The way to other brokers; `null`: there is none. */
  readonly peers: BrokerPeers | null
  /** Only tests break rules. */
  readonly rules?: BrokerRules
  /** The process must end: a disk failed in a way that makes every later answer a guess. */
  readonly onFatal: (error: Error) => void
}

export interface Broker extends AsyncDisposable {
  readonly handlers: readonly Handler[]
  /** For the listener that other nodes connect to. */
  readonly peerHandlers: readonly Handler[]
  /** For callers that do not know who leads. */
  readonly records: RecordGateway
  readonly partitions: PartitionRegistry
  readonly stats: BrokerStats
  replication(): ReplicationOverview
  /** Why nobody should count on this broker for now, in a sentence; `null` when they should. */
  unfitReason(): string | null
  /** Fetches and produces that wait now. */
  readonly delayedOperations: number
  /** Bytes of records that fetches under way hold. */
  readonly fetchMemoryBytes: number
  /** Fetches wait for some of them. */
  readonly isFetchMemoryShort: boolean
  /**
   * Takes no more produces for what others can lead, and resolves when those it has taken are committed and answered, or
   * after `msMax`: then another leader finds nothing here that is half done.
   */
  handOver(msMax: number): Promise<void>
  /** Fetches that wait are answered with what there is, and none waits from now on. */
  drain(): void
}

/** Resolves once every partition the metadata gives this node is open or known to be offline. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const { nodeId, incarnationId, metadata, logs, logger, clock, topicDefaults, settings, onFatal } = options
  const owned = new Disposables()
  const stats = new BrokerStats()
  const deadlines = new Deadlines(clock)
  owned.defer(() => deadlines.close())
  const brokerEpoch = (): BrokerEpoch | null => partitions.brokerEpoch
  const senders = openSenders(options, deadlines, stats, brokerEpoch)
  owned.defer(() => senders.close())
  const { lagMsMax } = settings.replication
  const proposer = new IsrProposer({ nodeId, clock, logger, controller: options.controller, brokerEpoch, lagMsMax })
  owned.defer(() => proposer.close())
  const rules = options.rules ?? soundBrokerRules
  const { highWatermarks } = logs
  const env = { nodeId, clock, logger, stats, senders, proposer, highWatermarks, rules }
  const parts = { nodeId, incarnationId, metadata, logs, logger, topicDefaults, onFatal, env }
  const partitions = new PartitionRegistry(parts)
  owned.defer(() => partitions.close())
  proposer.watch(() => leadersOf(partitions))
  const all = () => partitions.all()
  const checkpoint = new HighWatermarkCheckpoint({ clock, logger, highWatermarks, partitions: all, onFatal })
  owned.defer(() => checkpoint.close())
  const fetchMemory = new FetchMemory(settings.fetchMemoryBytesMax)
  let isHandingOver = false
  let isDraining = false
  const states = { isHandingOver: () => isHandingOver, isDraining: () => isDraining }
  const runtime = { ...options, partitions, deadlines, fetchMemory, stats, rules, ...states }
  const handlers = brokerHandlers(runtime)
  const records = owned.use(openRecordGateway(runtime, handlers, options))
  owned.use(new Retention({ clock, logger, partitions, stats, checkIntervalMs: settings.retentionCheckIntervalMs }))
  await partitions.settled()
  return {
    handlers,
    peerHandlers: peerHandlers(runtime),
    records,
    partitions,
    stats,
    replication: () =>
      replicationOverview({
        partitions: partitions.all(),
        failed: partitions.offlineCount,
        inFlightBytes: senders.inFlightBytes,
      }),
    unfitReason: () =>
      unfitReason({
        health: logs.health(),
        partitions: partitions.all(),
        syncStallMsMax: settings.replication.syncStallMsMax,
      }),
    get delayedOperations() {
      return deadlines.count
    },
    get fetchMemoryBytes() {
      return fetchMemory.bytesUsed
    },
    get isFetchMemoryShort() {
      return fetchMemory.isShort
    },
    handOver(msMax) {
      isHandingOver = true
      return settledWithin(msMax, partitions, deadlines)
    },
    drain() {
      isDraining = true
      for (const partition of partitions.all()) partition.wakeFetches()
    },
    [Symbol.asyncDispose]: () => owned.dispose(),
  }
}

function openSenders(
  options: BrokerOptions,
  deadlines: Deadlines,
  stats: BrokerStats,
  brokerEpoch: () => BrokerEpoch | null,
): ReplicaSenders {
  const { nodeId, clusterId, peers, clock, random, logger, metadata, settings } = options
  if (peers === null) return new ReplicaSenders(null)
  const { inFlightBytesMax, requestTimeoutMs, catchUpBytesPerSecond } = settings.replication
  return new ReplicaSenders({
    nodeId,
    clusterId,
    peers,
    clock,
    random,
    logger,
    deadlines,
    throttle: new CatchUpThrottle(clock, () => catchUpBytesPerSecond(metadata.image())),
    stats,
    windowBytes: inFlightBytesMax,
    requestTimeoutMs,
    brokerEpoch,
    urlOf: id => metadata.image().brokers.get(id)?.peerUrl ?? null,
  })
}

/** Resolves when nothing is half done of what others can lead, or after `msMax`. */
function settledWithin(msMax: number, partitions: PartitionRegistry, deadlines: Deadlines): Promise<void> {
  const handedOver = [...partitions.all()].filter(({ hasHeirs }) => hasHeirs)
  const settled = Promise.all(handedOver.map(partition => partition.untilSettled()))
  return new Promise(resolve => {
    const deadline = deadlines.add(msMax, resolve)
    void settled.then(() => {
      deadline.cancel()
      resolve()
    })
  })
}

function* leadersOf(partitions: PartitionRegistry): IterableIterator<Leading> {
  for (const { leading } of partitions.all()) if (leading !== null) yield leading
}
