/** Three members over a network on virtual time that can be cut. */

import type { QuorumOptions } from '../../src/quorum/options.ts'
import type { PeerTransport } from '../../src/quorum/peer-transport.ts'
import type { InstallSnapshot, Message } from '../../src/raft/messages.ts'
import { MemoryStorageImage } from '../../src/raft-storage/memory-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { type Node, openNode, turns } from './harness.ts'

const ids = [1, 2, 3].map(toNodeId)

export class Trio {
  readonly clock = new VirtualClock()
  readonly images = new Map(ids.map(id => [id, new MemoryStorageImage()]))
  readonly nodes = new Map<NodeId, Node>()
  readonly #listeners = new Map<NodeId, (message: Message) => void>()
  /** Servers that nothing reaches and nothing leaves. */
  readonly cut = new Set<NodeId>()
  readonly sent: Message[] = []

  async open(id: number, options: Partial<QuorumOptions> = {}): Promise<Node> {
    const nodeId = toNodeId(id)
    const node = await openNode(this.images.get(nodeId)!, {
      nodeId,
      clock: this.clock,
      bootstrap: { voters: ids, oldVoters: [], learners: [] },
      random: seededRandom(id),
      peers: this.#peers(nodeId),
      ...options,
    })
    this.nodes.set(nodeId, node)
    return node
  }

  async openAll(options: Partial<QuorumOptions> = {}): Promise<void> {
    for (const id of ids) await this.open(id, options)
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

  #peers(from: NodeId): PeerTransport {
    const carry = (to: NodeId, message: Message): boolean => {
      if (this.cut.has(from) || this.cut.has(to)) return false
      this.sent.push(message)
      this.clock.setTimer(2, () => this.#listeners.get(to)?.(message))
      return true
    }
    return {
      send: carry,
      sendSnapshot: async (to: NodeId, message: InstallSnapshot) => {
        if (!carry(to, message)) throw new Error('unreachable')
      },
      onMessage: listener => {
        this.#listeners.set(from, listener)
      },
    }
  }
}

export function idOf(node: Node): NodeId {
  return node.quorum.status().nodeId
}
