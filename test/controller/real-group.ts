/**
 * Three nodes' controllers as they run in production, but for the machine: real Raft, real connections with their
 * codecs, over memory sockets, memory disks and virtual time. A node can be killed at any moment and started again.
 */
import assert from 'node:assert/strict'
import { controllerHandlers } from '../../src/controller/handlers.ts'
import { openController } from '../../src/controller/open-controller.ts'
import type { Controller } from '../../src/controller/types.ts'
import { openPeerNetwork, peerListenerLimits } from '../../src/quorum/network/peer-network.ts'
import { openQuorum } from '../../src/quorum/open-quorum.ts'
import { MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { BrokerMembership } from '../../src/server/registration.ts'
import { memoryNetwork } from '../../src/simulation/memory-sockets.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { openListener } from '../../src/transport/listener.ts'
import type { Socket, SocketFactory } from '../../src/transport/socket.ts'
import type { Clock, Timer } from '../../src/util/clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'

export const sessionTimeoutMs = 9_000
export const goneGraceMs = 500
const heartbeatIntervalMs = 2_000
export const ids = [1, 2, 3].map(toNodeId)
const urlOf = (id: number): string => `ws://node-${id}`
const addresses = new Map(ids.map(id => [id, urlOf(id)]))

/** Time as a process has it: it ends with the process. */
class MortalClock implements Clock {
  readonly #clock: Clock
  isAlive = true

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  wallClockMs(): number {
    return this.#clock.wallClockMs()
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    return this.#clock.setTimer(delayMs, () => this.#run(fn))
  }

  defer(fn: () => void): void {
    this.#clock.defer(() => this.#run(fn))
  }

  #run(fn: () => void): void {
    if (this.isAlive) fn()
  }
}

export class RealNode {
  readonly clock: MortalClock
  readonly sockets = new Set<Socket>()
  /** `null` until it is open. */
  controller: Controller | null = null
  stopListening: () => void = () => {}

  constructor(clock: Clock) {
    this.clock = new MortalClock(clock)
  }
}

export class RealGroup {
  readonly clock = new VirtualClock()
  readonly nodes = new Map<NodeId, RealNode>()
  readonly fatal: Error[] = []
  readonly #network = memoryNetwork(this.clock, { latencyMs: 1 })
  readonly #disks = new Map(ids.map(id => [id, new MemoryStorageImage(`disk-${id}`)]))
  readonly #random
  #lives = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** Starts a process; its controller is there once the cluster has a leader. */
  start(id: NodeId): void {
    const node = new RealNode(this.clock)
    this.nodes.set(id, node)
    const life = ++this.#lives
    const { clock } = node
    const random = seededRandom(this.#random.nextInt(2 ** 30))
    const socketFactory: SocketFactory = {
      connect: async (url, options) => {
        const socket = await this.#network.socketFactory.connect(url, options)
        if (clock.isAlive) node.sockets.add(socket)
        else socket.terminate()
        return socket
      },
    }
    const network = openPeerNetwork({ nodeId: id, socketFactory, clock, random, logger: silentLogger })
    const listener = openListener({
      name: 'CONTROLLER',
      handlers: [...network.handlers, ...controllerHandlers(() => node.controller)],
      identity: () => ({ clusterId: '', nodeId: id, software: 'test' }),
      clock,
      limits: peerListenerLimits(),
    })
    node.stopListening = this.#network.listen(urlOf(id), socket => {
      node.sockets.add(socket)
      listener.accept(socket)
    })
    const opening = openController({
      nodeId: id,
      network,
      quorum: stateMachine =>
        openQuorum({
          nodeId: id,
          storage: memoryStorage(this.#disks.get(id)!),
          voters: addresses,
          url: urlOf(id),
          stateMachine,
          clock,
          random,
          logger: silentLogger,
          peers: network,
          snapshots: { entriesMax: 20, bytesMax: 1e9, retainedEntries: 2 },
          onFatal: error => this.fatal.push(error),
        }),
      clock,
      random,
      logger: silentLogger,
      defaults: { numPartitions: 1, replicationFactor: 1, minInsyncReplicas: 1, isUncleanAllowed: false },
      brokerSessionTimeoutMs: sessionTimeoutMs,
      brokerGoneGraceMs: goneGraceMs,
    })
    opening
      .then(async controller => {
        node.controller = controller
        const registration = {
          nodeId: id,
          incarnationId: `life-${life}`,
          url: urlOf(id),
          rack: null,
          clusterId: null,
          peerUrl: null,
        }
        await BrokerMembership.open({
          controller,
          registration,
          clock,
          logger: silentLogger,
          heartbeatIntervalMs,
          sessionTimeoutMs,
          epochs: { previous: () => null, announce: async () => {}, remember: async () => {} },
          fenceReason: () => null,
          offlineNews: () => [],
          onReached: listener => network.onReached(listener),
        })
      })
      .catch((error: Error) => this.fatal.push(error))
  }

  /** The process ends here and now. What it wrote is on its disk. */
  kill(id: NodeId): void {
    const node = this.nodes.get(id)!
    this.nodes.delete(id)
    node.clock.isAlive = false
    node.stopListening()
    for (const socket of node.sockets) socket.terminate()
  }

  /** Every connection of this process ends, and can be made again. */
  reset(id: NodeId): void {
    for (const socket of this.nodes.get(id)!.sockets) socket.terminate()
  }

  controllers(): Controller[] {
    return [...this.nodes.values()].flatMap(({ controller }) => controller ?? [])
  }

  leaderId(): NodeId | null {
    return [...this.nodes].find(([, { controller }]) => controller?.status().role === 'leader')?.[0] ?? null
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5) {
      this.clock.advance(5)
      await new Promise(resolve => setImmediate(resolve))
    }
    assert.deepEqual(this.fatal, [])
  }

  /** Virtual time is bounded. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < 12_000 && !isTrue(); turn++) await this.pass(5)
    assert(isTrue(), `did not happen in a virtual minute: ${what}`)
  }

  async outcomeOf<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const done = (): void => {
      isSettled = true
    }
    promise.then(done, done)
    await this.until(() => isSettled, 'an answer')
    return promise
  }
}

/** Three blank nodes that found a cluster; each has registered its broker. */
export async function openRealGroup(seed: number): Promise<RealGroup> {
  const group = new RealGroup(seed)
  for (const id of ids) group.start(id)
  const isReady = ({ metadata }: Controller): boolean => metadata.image().brokers.size === ids.length
  await group.until(() => group.controllers().filter(isReady).length === ids.length, 'three brokers, seen by all')
  return group
}
