/**
 * One life of a whole node: the production composition on a virtual clock, a simulated disk and a metadata store that
 * survives, driven one event at a time until the test has what it wants or the machine loses power.
 */

import { defaultReplicationSettings } from '../../src/broker/replication/settings.ts'
import type { RaftStorage } from '../../src/raft/storage.ts'
import type { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { type Node, openNode } from '../../src/server/node.ts'
import type { NodeSettings } from '../../src/server/node-settings.ts'
import { memoryNetwork } from '../../src/simulation/memory-sockets.ts'
import { CrashSignal, type SimDisk } from '../../src/simulation/sim-disk.ts'
import type { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import type { Connection } from '../../src/transport/connection.ts'
import type { Clock } from '../../src/util/clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { MiB } from '../../src/util/units.ts'

export const dataDirectory = 'data'
const url = 'ws://simulated'

export const simulatedSettings: NodeSettings = {
  nodeId: toNodeId(1),
  isBroker: true,
  voters: new Map(),
  rack: null,
  clusterId: null,
  logs: {
    tailCacheBytesMax: 256 * 1024,
    readAheadBytesMax: 256 * 1024,
    openFilesMax: 64,
    syncsInFlightMax: 4,
    unflushedBytesMax: 16 * MiB,
  },
  broker: {
    replication: defaultReplicationSettings,
    autoCreateTopics: false,
    fetchBytesMax: 8 * MiB,
    fetchWaitMsMax: 60_000,
    fetchMemoryBytesMax: 64 * MiB,
    retentionCheckIntervalMs: 300_000,
  },
  transport: {},
  peerTiming: {},
  quorumTiming: {},
  quorumSnapshots: { entriesMax: 50, retainedEntries: 5 },
  topicCreation: { numPartitions: 1, replicationFactor: 1, minInsyncReplicas: -1, isUncleanAllowed: false },
  topicDefaults: new Map(),
  describeConfig: () => [],
  validateBrokerConfig: () => null,
  brokerSessionTimeoutMs: 9_000,
  brokerGoneGraceMs: 500,
  brokerHeartbeatIntervalMs: 2_000,
  leaderBalanceIntervalMs: null,
  controllerRequestTimeoutMs: 30_000,
  shutdownGraceMs: 5_000,
}

export interface LifeOptions {
  readonly disk: SimDisk
  readonly clock: VirtualClock
  readonly metadata: MemoryStorageImage
  readonly seed: number
}

/** Events after which a run that got nowhere is a failure. */
const stepsMax = 200_000

export class Life {
  readonly #options: LifeOptions
  /** Why the node said that the process must end. */
  fatal: Error | null = null
  readonly #clock: Clock
  #node: Node | null = null

  constructor(options: LifeOptions) {
    this.#options = options
    this.#clock = mortalClock(options.clock, () => !options.disk.hasCrashed)
  }

  get isOver(): boolean {
    return this.#options.disk.hasCrashed
  }

  get node(): Node {
    if (this.#node === null) throw new Error('the node is not open')
    return this.#node
  }

  /** Opens the node and a connection to it; `null` when the power went before. */
  async open(): Promise<Connection | null> {
    const { disk, metadata, seed } = this.#options
    const clock = this.#clock
    return this.run(async () => {
      const node = await openNode(simulatedSettings, {
        clock,
        random: seededRandom(seed),
        disk,
        dataDirectory,
        raftStorage: untilCrash(memoryStorage(metadata), disk),
        logger: silentLogger,
        codecs: { gzip: null, snappy: null, lz4: null, zstd: null },
        peers: null,
        onFatal: error => {
          this.fatal ??= error
        },
      })
      this.#node = node
      await node.serve(url)
      const network = memoryNetwork(clock)
      network.listen(url, socket => void node.listener.accept(socket))
      return openConnection(url, {
        socketFactory: network.socketFactory,
        clock,
        clientId: 'test',
        software: 'test',
        connectTimeoutMs: 10_000,
        requestTimeoutMs: 60_000,
        inFlightBytesMax: 64 * MiB,
      })
    })
  }

  /** Runs the node until `work` is done; `null` when the power went before. What `work` rejects with is thrown. */
  async run<T>(work: () => Promise<T>): Promise<T | null> {
    let outcome: { value: T } | { error: unknown } | null = null
    work().then(
      value => (outcome = { value }),
      error => (outcome = { error }),
    )
    for (let steps = 0; steps < stepsMax; steps++) {
      await settled()
      if (this.isOver) return null
      if (outcome !== null) {
        const done = outcome as { value: T } | { error: unknown }
        if ('error' in done) throw done.error
        return done.value
      }
      if (this.fatal !== null) throw this.fatal
      try {
        if (!this.#options.clock.step()) throw new Error('nothing is left to happen, and the work is not done')
      } catch (error) {
        if (!(error instanceof CrashSignal)) throw error
      }
    }
    throw new Error(`not done after ${stepsMax} events`)
  }
}

/** Lets every promise that is ready run. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** The lives of a machine share their time; what one of them had planned ends with it. */
function mortalClock(clock: Clock, isAlive: () => boolean): Clock {
  const whileAlive = (fn: () => void) => () => {
    if (isAlive()) fn()
  }
  return {
    nowMs: () => clock.nowMs(),
    wallClockMs: () => clock.wallClockMs(),
    setTimer: (delayMs, fn) => clock.setTimer(delayMs, whileAlive(fn)),
    defer: fn => clock.defer(whileAlive(fn)),
  }
}

/** The metadata store of a machine that has lost power takes nothing more. */
function untilCrash(storage: RaftStorage, disk: SimDisk): RaftStorage {
  const alive =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> =>
      disk.hasCrashed ? new Promise<R>(() => {}) : method(...args)
  return {
    diskId: storage.diskId,
    load: alive(() => storage.load()),
    persist: alive(batch => storage.persist(batch)),
    saveSnapshot: alive((snapshot, discardUpTo) => storage.saveSnapshot(snapshot, discardUpTo)),
    installSnapshot: alive((snapshot, hardState) => storage.installSnapshot(snapshot, hardState)),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
}
