/** How many connections each peer has with this node, whichever side opened them. */
import { assert } from '../../util/assert.ts'
import type { NodeId } from '../../util/numbers.ts'

export class Presence {
  readonly #connections = new Map<NodeId, number>()
  readonly #onGone: (nodeId: NodeId) => void

  constructor(onGone: (nodeId: NodeId) => void) {
    this.#onGone = onGone
  }

  arrived(nodeId: NodeId): void {
    this.#connections.set(nodeId, (this.#connections.get(nodeId) ?? 0) + 1)
  }

  left(nodeId: NodeId): void {
    const connections = this.#connections.get(nodeId) ?? 0
    assert(connections > 0, 'who leaves was there')
    if (connections > 1) this.#connections.set(nodeId, connections - 1)
    else {
      this.#connections.delete(nodeId)
      this.#onGone(nodeId)
    }
  }
}
