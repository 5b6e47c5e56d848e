/** One life of a node: what `startServer` makes of the Node ports, made of simulated ones, until its process ends. */
import { defaultReplicationSettings } from '../../broker/replication/settings.ts'
import type { RaftStorage } from '../../raft/storage.ts'
import { type Node, openNode } from '../../server/node.ts'
import type { NodeSettings } from '../../server/node-settings.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import { KiB, MiB } from '../../util/units.ts'
import type { SimProcess } from '../quorum/process.ts'
import type { ClusterRules } from './cluster-rules.ts'
import { clientUrlOf, type Machine, peerUrlOf } from './machine.ts'
import type { SimSockets } from './sim-sockets.ts'
import type { ClusterWorld } from './world.ts'

/** A disk that answers no commit for so long has failed. */
const diskDeadlineMs = 5_000

export interface NodeLifeOptions {
  readonly machine: Machine
  readonly world: ClusterWorld
  readonly voters: ReadonlyMap<NodeId, string>
  readonly process: SimProcess
  readonly sockets: SimSockets
  readonly random: Random
  readonly logger: Logger
  readonly rules: ClusterRules
  /** It knows of its cluster; it does not serve yet. */
  readonly onOpen: (node: Node) => void
  /** The process must end. May be called again. */
  readonly onFatal: (error: Error) => void
}

export class NodeLife {
  readonly id: NodeId
  readonly process: SimProcess
  readonly #options: NodeLifeOptions
  #node: Node | null = null
  #storage: RaftStorage | null = null
  #opening: Promise<void> = Promise.resolve()
  readonly #givingUp = new AbortController()
  #isServing = false

  constructor(options: NodeLifeOptions) {
    this.#options = options
    this.id = options.machine.id
    this.process = options.process
  }

  /** `null` until it knows of an active controller and has opened its data. */
  get node(): Node | null {
    return this.#node
  }

  /** Its start is over and its stop has not begun. */
  get isServing(): boolean {
    return this.#isServing && !this.#givingUp.signal.aborted
  }

  open(): void {
    this.#opening = this.#open().catch((error: Error) => {
      if (!this.#givingUp.signal.aborted) this.#options.onFatal(error)
    })
  }

  /** As by SIGTERM. Resolves when the process may end; a start that is under way is given up. */
  async stop(): Promise<void> {
    this.#givingUp.abort()
    await this.#opening
    await this.#node?.close()
    await this.#storage?.[Symbol.asyncDispose]()
  }

  async #open(): Promise<void> {
    const { machine, process, sockets, random, logger, rules, onOpen, onFatal } = this.#options
    const owner = { id: this.id, process }
    const socketFactory = sockets.attach(owner)
    this.#storage = await machine.raftDisk.open({
      deadlineMs: diskDeadlineMs,
      clock: process,
      deliver: answer => this.process.receive(answer),
      logger,
    })
    const peerUrl = peerUrlOf(this.id)
    this.#node = await openNode(settingsOf(this.#options), {
      clock: process,
      random,
      disk: machine.logDisk,
      dataDirectory: 'data',
      raftStorage: this.#storage,
      logger,
      codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
      peers: { url: peerUrl, socketFactory, onListener: accept => sockets.listen(peerUrl, owner, accept) },
      controllerRules: rules,
      brokerRules: rules,
      signal: this.#givingUp.signal,
      onFatal,
    })
    onOpen(this.#node)
    const url = clientUrlOf(this.id)
    await this.#node.serve(url)
    const { listener } = this.#node
    sockets.listen(url, owner, socket => listener.accept(socket))
    this.#isServing = true
  }
}

function settingsOf({ machine, world, voters }: NodeLifeOptions): NodeSettings {
  return {
    nodeId: machine.id,
    isBroker: machine.isBroker,
    voters,
    rack: null,
    clusterId: null,
    logs: {
      tailCacheBytesMax: world.tailCacheBytesMax,
      readAheadBytesMax: 32 * KiB,
      openFilesMax: 64,
      syncsInFlightMax: 4,
      unflushedBytesMax: MiB,
      reserveBytes: world.space.reserveBytes,
      spaceCheckIntervalMs: world.space.checkIntervalMs,
    },
    broker: {
      replication: {
        ...defaultReplicationSettings,
        lagMsMax: world.lagMsMax,
        inFlightBytesMax: world.replicationBytesMax,
      },
      autoCreateTopics: false,
      fetchBytesMax: MiB,
      fetchWaitMsMax: 60_000,
      fetchMemoryBytesMax: 16 * MiB,
      retentionCheckIntervalMs: 300_000,
    },
    transport: {},
    peerTiming: {},
    quorumTiming: world.timing,
    quorumSnapshots: world.snapshots,
    topicCreation: { numPartitions: 1, replicationFactor: 1, minInsyncReplicas: -1, isUncleanAllowed: false },
    topicDefaults: new Map(),
    describeConfig: () => [],
    validateBrokerConfig: () => null,
    brokerSessionTimeoutMs: world.brokerSessionTimeoutMs,
    brokerGoneGraceMs: 500,
    brokerHeartbeatIntervalMs: world.brokerHeartbeatIntervalMs,
    leaderBalanceIntervalMs: null,
    controllerRequestTimeoutMs: 10_000,
    shutdownGraceMs: 2_000,
  }
}
