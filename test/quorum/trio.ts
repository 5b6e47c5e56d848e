/** Several members over a network on virtual time that can be cut; by default three, all of them founders. */

import type { QuorumOptions } from '../../src/quorum/options.ts'
import type { Message } from '../../src/raft/messages.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { type Node, openNode, turns } from './harness.ts'
import { urlOf, VirtualNetwork } from './virtual-network.ts'

export class Trio {
  readonly clock = new VirtualClock()
  readonly network = new VirtualNetwork(this.clock)
  readonly ids: readonly NodeId[]
  readonly images = new Map<NodeId, MemoryStorageImage>()
  readonly nodes = new Map<NodeId, Node>()

  constructor(count = 3) {
    this.ids = Array.from({ length: count }, (_, i) => toNodeId(i + 1))
  }

  get cut(): Set<NodeId> {
    return this.network.cut
  }

  get sent(): Message[] {
    return this.network.sent
  }

  /** A new process of `id` on what its disk holds. */
  async open(id: number, options: Partial<QuorumOptions> = {}): Promise<Node> {
    const nodeId = toNodeId(id)
    const image = this.images.get(nodeId) ?? this.wipe(id)
    const node = await openNode(image, {
      nodeId,
      clock: this.clock,
      voters: new Map(this.ids.map(voter => [voter, urlOf(voter)])),
      random: seededRandom(id),
      peers: options.peers ?? this.network.attach(nodeId),
      ...options,
    })
    this.nodes.set(nodeId, node)
    return node
  }

  async openAll(options: Partial<QuorumOptions> = {}): Promise<void> {
    for (const id of this.ids) await this.open(id, options)
  }

  /** The next process of `id` finds a blank disk. */
  wipe(id: number): MemoryStorageImage {
    const image = new MemoryStorageImage()
    this.images.set(toNodeId(id), image)
    return image
  }

  /** The process of `id` is gone without a word; its disk is what it had written. */
  async crash(id: number): Promise<void> {
    const nodeId = toNodeId(id)
    const node = this.nodes.get(nodeId)!
    this.nodes.delete(nodeId)
    this.network.detach(nodeId)
    const dying = node.quorum[Symbol.asyncDispose]()
    await this.pass(5)
    await dying
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5) {
      this.clock.advance(5)
      await turns()
    }
  }

  /** Runs until `isTrue`; virtual time is bounded. */
  async until(isTrue: () => boolean): Promise<void> {
    for (let i = 0; i < 4000 && !isTrue(); i++) await this.pass(5)
    if (!isTrue()) throw new Error('what was waited for did not happen in 20 virtual seconds')
  }

  /** Runs until `promise` is settled. */
  async finish<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.until(() => isSettled)
    return promise
  }

  /** The reachable member that is ready to lead. */
  leader(): Node | null {
    for (const [id, node] of this.nodes) if (!this.cut.has(id) && node.leadership.at(-1) != null) return node
    return null
  }

  async elect(): Promise<Node> {
    await this.until(() => this.leader() !== null)
    return this.leader()!
  }

  async close(): Promise<void> {
    const closing = Promise.all([...this.nodes.values()].map(node => node.quorum[Symbol.asyncDispose]()))
    await this.pass(2000)
    await closing
  }
}

export function idOf(node: Node): NodeId {
  return node.quorum.status().nodeId
}
