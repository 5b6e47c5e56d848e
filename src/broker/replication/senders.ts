/** One sender for each broker that follows something here, made when it is first needed. */
import type { NodeId } from '../../util/numbers.ts'
import { ReplicaSender } from './sender.ts'
import type { SenderCore } from './sender-core.ts'

export class ReplicaSenders {
  readonly #core: SenderCore | null
  readonly #senders = new Map<NodeId, ReplicaSender>()

  /** `null`: a node without a way to others. */
  constructor(core: SenderCore | null) {
    this.#core = core
  }

  /** `null` when there is no way to any other broker. */
  to(nodeId: NodeId): ReplicaSender | null {
    if (this.#core === null) return null
    let sender = this.#senders.get(nodeId)
    if (sender === undefined) {
      sender = new ReplicaSender(this.#core, nodeId)
      this.#senders.set(nodeId, sender)
    }
    return sender
  }

  onBrokersChanged(): void {
    for (const sender of this.#senders.values()) sender.onBrokersChanged()
  }

  /** On their way to all followers. */
  get inFlightBytes(): number {
    let bytes = 0
    for (const sender of this.#senders.values()) bytes += sender.inFlightBytes
    return bytes
  }

  async close(): Promise<void> {
    await Promise.all([...this.#senders.values()].map(sender => sender.close()))
  }
}
