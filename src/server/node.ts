/**
 * One node, composed from its ports and nothing else: controller, logs, broker and the listener that serves them. It
 * touches no Node module, so the simulator runs this very code on a virtual clock, disk and network. Sockets are handed
 * in from outside: those of clients through `listener`, those of other nodes through `ports.peers`.
 *
 * Order of a start: the metadata and the data directory are opened at once; when the metadata are known to be current,
 * directories nobody owns are set aside and the logs are opened; `serve` then registers the broker, and from the
 * registration on it leads. A stop goes the other way.
 */
import { type Broker, openBroker } from '../broker/broker.ts'
import { type BrokerRules, soundBrokerRules } from '../broker/rules.ts'
import type { ControllerRules } from '../controller/rules.ts'
import type { Controller } from '../controller/types.ts'
import type { Disk } from '../log/disk.ts'
import { openLogManager } from '../log/log-manager.ts'
import type { LogManager } from '../log/types.ts'
import { transferLeadership } from '../protocol/apis/index.ts'
import type { Codecs } from '../protocol/batch/types.ts'
import { defaultPeerTiming, type PeerNetwork } from '../quorum/network/types.ts'
import type { RaftStorage } from '../raft/storage.ts'
import { allowAll } from '../transport/handler.ts'
import { type Listener, openListener } from '../transport/listener.ts'
import type { Clock } from '../util/clock.ts'
import { Disposables } from '../util/disposables.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import { secondMs } from '../util/units.ts'
import { version } from '../util/version.ts'
import { allOpen } from './all-open.ts'
import { BrokerEpochs, hasUnflushed, keepCleanStop } from './broker-epochs.ts'
import { MajorityWatch } from './majority-watch.ts'
import { openNodeController } from './node-controller.ts'
import type { NodePeerPorts, NodePeers } from './node-peers.ts'
import type { NodeSettings } from './node-settings.ts'
import { BrokerMembership, untilAnswered } from './registration.ts'
import { setStraysAside } from './strays.ts'

export interface NodePorts {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  /** Directory of the partitions, on `disk`. */
  readonly dataDirectory: string
  /** Stays the caller's: closed after the node. May still be opening. */
  readonly raftStorage: RaftStorage | Promise<RaftStorage>
  readonly logger: Logger
  readonly codecs: Codecs
  /** The way to other nodes; `null` for a node that has none: its quorum is itself. */
  readonly peers: NodePeerPorts | null
  /** Called once, when nothing is missing but a controller that leads, with what tells who is waited for. */
  readonly onWaiting?: (reasons: () => readonly string[]) => void
  /** Only tests break rules. */
  readonly controllerRules?: ControllerRules
  /** Likewise. */
  readonly brokerRules?: BrokerRules
  /** Gives up a start that waits for others. */
  readonly signal?: AbortSignal
  /** The disk failed or an invariant broke: this process must end at once, without another answer. */
  readonly onFatal: (error: Error) => void
}

export interface Node extends AsyncDisposable {
  readonly nodeId: NodeId
  /** Of its broker, in this life of the process. */
  readonly incarnationId: string
  readonly clusterId: string
  readonly controller: Controller
  readonly broker: Broker
  readonly logs: LogManager
  /** For clients. */
  readonly listener: Listener
  /** For other nodes, which are served from the beginning of the start; `null` when there are none. */
  readonly peerListener: Listener | null
  /** Where others reach it. */
  readonly peerUrl: string | null
  /** `null` like its listener. */
  readonly peerNetwork: PeerNetwork | null
  /** What is missing before this node serves, one sentence each; empty when it does. */
  notReadyReasons(): readonly string[]
  /** Registers the broker, if it is one, under the URL its clients reach it at. Resolves when it leads what is its to lead. */
  serve(url: string): Promise<void>
  /**
   * Stops in order: ends what it leads, moves leaderships, answers what is under way, flushes, closes. Each step that needs others waits
   * `graceMs` for them at most. Idempotent.
   */
  close(graceMs?: number): Promise<void>
}

/**
 * Resolves when the node knows of an active controller and has opened its data. Rejects with `ConfigError` when the
 * metadata are another cluster's, `AbortError` after `ports.signal`, and with what the disks say; then nothing is open.
 */
export async function openNode(settings: NodeSettings, ports: NodePorts): Promise<Node> {
  const { clock, random, logger, disk, codecs, onFatal, dataDirectory, signal, brokerRules = soundBrokerRules } = ports
  const { nodeId } = settings
  const starting = new Disposables()
  let openedBroker: Broker | null = null
  try {
    const incarnationId = newIncarnationId(random)
    const [logs, { controller, peers }] = await allOpen(
      starting,
      keepCleanStop({ disk, directory: dataDirectory, logger }).then(() =>
        openLogManager({ ...settings.logs, directory: dataDirectory, disk, clock, codecs, logger }),
      ),
      openNodeController(settings, ports, () => openedBroker?.peerHandlers ?? null),
    )
    // Not merely what this node remembers: a topic it has not heard of yet must not look like a stray.
    const image = await untilAnswered(clock, () => controller.currentImage(), signal === undefined ? {} : { signal })
    await setStraysAside(image, { nodeId, logs, disk, logger })
    const broker = starting.use(
      await openBroker({
        nodeId,
        incarnationId,
        clusterId: controller.clusterId,
        settings: settings.broker,
        topicDefaults: settings.topicDefaults,
        describeConfig: settings.describeConfig,
        clock,
        random,
        logger,
        codecs,
        authorizer: allowAll,
        metadata: controller.metadata,
        controller,
        controllerId: () => controller.leaderId(),
        logs,
        rules: brokerRules,
        peers:
          ports.peers === null
            ? null
            : {
                socketFactory: ports.peers.socketFactory,
                timing: { ...defaultPeerTiming, ...settings.peerTiming },
              },
        onFatal,
      }),
    )
    openedBroker = broker
    const listener = openListener({
      name: 'CLIENT',
      handlers: broker.handlers,
      identity: () => ({ clusterId: controller.clusterId, nodeId, software: `millrace ${version}` }),
      clock,
      logger,
      limits: settings.transport,
      isMemoryShort: () => broker.isFetchMemoryShort,
      onFatal,
    })
    return new OpenNode({ settings, ports, incarnationId, controller, broker, logs, listener, peers, owned: starting })
  } catch (error) {
    await starting.dispose()
    throw error
  }
}

interface NodeParts {
  readonly settings: NodeSettings
  readonly ports: NodePorts
  readonly incarnationId: string
  readonly controller: Controller
  readonly broker: Broker
  readonly logs: LogManager
  readonly listener: Listener
  readonly peers: NodePeers | null
  /** Closes broker, controller with its peers, and logs. */
  readonly owned: Disposables
}

/** So long other leaders are kept waiting for what is under way here: a follower may be silent. */
const settleMsMax = secondMs

class OpenNode implements Node {
  readonly #parts: NodeParts
  #membership: BrokerMembership | null = null
  #closing: Promise<void> | null = null

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  get nodeId(): NodeId {
    return this.#parts.settings.nodeId
  }

  get incarnationId(): string {
    return this.#parts.incarnationId
  }

  get clusterId(): string {
    return this.#parts.controller.clusterId
  }

  get controller(): Controller {
    return this.#parts.controller
  }

  get broker(): Broker {
    return this.#parts.broker
  }

  get logs(): LogManager {
    return this.#parts.logs
  }

  get listener(): Listener {
    return this.#parts.listener
  }

  get peerListener(): Listener | null {
    return this.#parts.peers?.listener ?? null
  }

  get peerNetwork(): PeerNetwork | null {
    return this.#parts.peers?.network ?? null
  }

  get peerUrl(): string | null {
    return this.#parts.ports.peers?.url ?? null
  }

  notReadyReasons(): readonly string[] {
    if (this.#closing !== null) return ['The node is stopping.']
    const reasons: string[] = []
    if (this.#parts.settings.isBroker) {
      if (this.#membership === null) reasons.push('The broker is not registered with the controller yet.')
      else if (this.#membership.fencedBecause !== null) reasons.push(this.#membership.fencedBecause)
    }
    if (this.controller.leaderId() === null) reasons.push('No controller is active.')
    return reasons
  }

  async serve(url: string): Promise<void> {
    const { settings, ports, controller, broker, incarnationId } = this.#parts
    if (!settings.isBroker) return
    const { clock, logger, signal } = ports
    this.#membership = await BrokerMembership.open({
      controller,
      registration: {
        nodeId: this.nodeId,
        incarnationId,
        url,
        peerUrl: this.peerUrl,
        rack: settings.rack,
        clusterId: this.clusterId,
      },
      epochs: this.#openEpochs(),
      clock,
      logger,
      onReached: listener => this.peerNetwork?.onReached(listener) ?? (() => {}),
      heartbeatIntervalMs: settings.brokerHeartbeatIntervalMs,
      sessionTimeoutMs: settings.brokerSessionTimeoutMs,
      fenceReason: () => broker.unfitReason(),
      offlineNews: () => broker.partitions.offlineNews(),
      ...(signal === undefined ? {} : { signal }),
    })
    await broker.partitions.settled()
  }

  #openEpochs(): BrokerEpochs {
    const { settings, ports, controller, broker, incarnationId } = this.#parts
    const { disk, dataDirectory, logger, brokerRules = soundBrokerRules } = ports
    const { brokers } = controller.metadata.image()
    return new BrokerEpochs({
      disk,
      directory: dataDirectory,
      logger,
      incarnationId,
      registered: brokers.get(this.nodeId) ?? null,
      hasUnflushed: () => brokerRules.lostCachesAreAdmitted && hasUnflushed(controller.metadata.image(), settings),
      hasFailed: () => broker.partitions.offlineCount > 0,
    })
  }

  close(graceMs: number = this.#parts.settings.shutdownGraceMs): Promise<void> {
    this.#closing ??= this.#stop(graceMs)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #stop(graceMs: number): Promise<void> {
    const { broker, listener, owned } = this.#parts
    const majority = new MajorityWatch(() => this.controller.status(), this.peerNetwork)
    if (this.#membership !== null) await majority.unlessLost(broker.handOver(Math.min(graceMs, settleMsMax)))
    await this.#membership?.drain(graceMs, majority.lost)
    broker.drain()
    await listener.close(graceMs)
    await majority.unlessLost(this.#handOver(graceMs))
    majority[Symbol.dispose]()
    await owned.dispose()
  }

  /** Without it the other controllers would wait for a silent leader until their election timeout is over. */
  async #handOver(graceMs: number): Promise<void> {
    const { controller, ports } = this.#parts
    const { role, voters } = controller.status()
    if (role !== 'leader' || voters.length < 2 || graceMs === 0) return
    try {
      await controller.request(transferLeadership, { to: null, timeoutMs: graceMs })
    } catch (error) {
      ports.logger.info({ reason: (error as Error).message }, 'nobody has taken over the controller quorum yet')
    }
  }
}

/** Tells this process from another one, or an earlier one, of the same node. */
function newIncarnationId(random: Random): string {
  return Array.from(random.nextBytes(16), byte => byte.toString(16).padStart(2, '0')).join('')
}
