/**
 * One node, composed from its ports and nothing else: controller, logs, broker and the listener that serves them. It
 * touches no Node module, so the simulator runs this very code on a virtual clock, disk and network. Sockets are handed
 * in from outside through `listener`.
 *
 * Order of a start: the metadata and the data directory are opened at once; when the metadata are known to be current,
 * directories nobody owns are set aside and the logs are opened; `serve` then registers the broker, and from the
 * registration on it leads. A stop goes the other way.
 */
import { type Broker, openBroker } from '../broker/broker.ts'
import { openController } from '../controller/open-controller.ts'
import type { Controller } from '../controller/types.ts'
import type { Disk } from '../log/disk.ts'
import { openLogManager } from '../log/log-manager.ts'
import type { LogManager } from '../log/types.ts'
import type { Codecs } from '../protocol/batch/types.ts'
import { openQuorum } from '../quorum/open-quorum.ts'
import { nobody, type PeerTransport } from '../quorum/peer-transport.ts'
import type { RaftStorage } from '../raft/storage.ts'
import { allowAll } from '../transport/handler.ts'
import { type Listener, openListener } from '../transport/listener.ts'
import type { Clock } from '../util/clock.ts'
import { Disposables } from '../util/disposables.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Random } from '../util/random.ts'
import { version } from '../util/version.ts'
import { bothOpen } from './both-open.ts'
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
  /** How to reach the other controllers; without it the quorum is this node alone. */
  readonly peers?: PeerTransport
  /** The disk failed or an invariant broke: this process must end at once, without another answer. */
  readonly onFatal: (error: Error) => void
}

export interface Node extends AsyncDisposable {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly controller: Controller
  readonly broker: Broker
  readonly logs: LogManager
  readonly listener: Listener
  /** What is missing before this node serves, one sentence each; empty when it does. */
  notReadyReasons(): readonly string[]
  /** Registers the broker under the URL its clients reach it at. Resolves when it leads what is its to lead. */
  serve(url: string): Promise<void>
  /** Stops in order: moves leaderships, answers what is under way, flushes, closes. Idempotent. */
  close(): Promise<void>
}

export async function openNode(settings: NodeSettings, ports: NodePorts): Promise<Node> {
  const { clock, random, logger, disk, codecs, onFatal, dataDirectory } = ports
  const { nodeId } = settings
  const starting = new Disposables()
  try {
    const incarnationId = newIncarnationId(random)
    const [logs, controller] = await bothOpen(
      starting,
      openLogManager({ ...settings.logs, directory: dataDirectory, disk, clock, codecs, logger }),
      openNodeController(settings, ports),
    )
    // Not merely what this node remembers: a topic it has not heard of yet must not look like a stray.
    const image = await untilAnswered(clock, () => controller.currentImage())
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
        onFatal,
      }),
    )
    const listener = openListener({
      name: 'CLIENT',
      handlers: broker.handlers,
      identity: () => ({ clusterId: controller.clusterId, nodeId, software: `millrace ${version}` }),
      clock,
      logger,
      limits: settings.transport,
      onFatal,
    })
    return new OpenNode({ settings, ports, incarnationId, controller, broker, logs, listener, owned: starting })
  } catch (error) {
    await starting.dispose()
    throw error
  }
}

function openNodeController(settings: NodeSettings, ports: NodePorts): Promise<Controller> {
  const { nodeId } = settings
  const { clock, random, logger, onFatal, peers = nobody } = ports
  return openController({
    nodeId,
    quorum: async stateMachine =>
      openQuorum({
        nodeId,
        storage: await ports.raftStorage,
        bootstrap: { voters: [nodeId], oldVoters: [], learners: [] },
        stateMachine,
        clock,
        random,
        logger,
        peers,
        timing: settings.quorumTiming,
        snapshots: settings.quorumSnapshots,
        onFatal,
      }),
    clock,
    random,
    logger,
    defaults: settings.topicCreation,
    clusterId: settings.clusterId,
    brokerSessionTimeoutMs: settings.brokerSessionTimeoutMs,
    requestTimeoutMs: settings.controllerRequestTimeoutMs,
    validateBrokerConfig: settings.validateBrokerConfig,
  })
}

interface NodeParts {
  readonly settings: NodeSettings
  readonly ports: NodePorts
  readonly incarnationId: string
  readonly controller: Controller
  readonly broker: Broker
  readonly logs: LogManager
  readonly listener: Listener
  /** Closes broker, controller and logs. */
  readonly owned: Disposables
}

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

  notReadyReasons(): readonly string[] {
    if (this.#closing !== null) return ['The node is stopping.']
    const reasons: string[] = []
    if (this.#membership === null) reasons.push('The broker is not registered with the controller yet.')
    else if (this.#membership.isFenced) reasons.push('The controller has fenced this broker.')
    if (this.controller.leaderId() === null) reasons.push('No controller is active.')
    return reasons
  }

  async serve(url: string): Promise<void> {
    const { settings, ports, controller, broker, incarnationId } = this.#parts
    const { clock, logger } = ports
    const registration = { nodeId: this.nodeId, incarnationId, url, rack: settings.rack, clusterId: this.clusterId }
    const heartbeatIntervalMs = settings.brokerHeartbeatIntervalMs
    this.#membership = await BrokerMembership.open({ controller, registration, clock, logger, heartbeatIntervalMs })
    await broker.partitions.settled()
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #stop(): Promise<void> {
    const { settings, broker, listener, owned } = this.#parts
    await this.#membership?.drain(settings.shutdownGraceMs)
    await this.#membership?.[Symbol.asyncDispose]()
    broker.drain()
    await listener.close(settings.shutdownGraceMs)
    await owned.dispose()
  }
}

/** Tells this process from another one, or an earlier one, of the same node. */
function newIncarnationId(random: Random): string {
  return Array.from(random.nextBytes(16), byte => byte.toString(16).padStart(2, '0')).join('')
}
