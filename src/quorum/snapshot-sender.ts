/**
 * A leader's snapshots on their way: one piece under way to each follower. Every `send` ends in one `onSent`, unless the
 * leadership ended before: then nobody waits for it.
 */
import type { Snapshot } from '../raft/types.ts'
import { crc32c } from '../util/crc32c.ts'
import type { LogIndex, NodeId } from '../util/numbers.ts'
import { OutgoingSnapshot, type SnapshotHead } from './outgoing-snapshot.ts'
import type { PeerTransport } from './peer-port.ts'

export class SnapshotSender {
  readonly #peers: PeerTransport
  readonly #chunkBytes: number
  readonly #onSent: (to: NodeId, isDelivered: boolean) => void
  readonly #transfers = new Map<NodeId, OutgoingSnapshot>()
  /** Where those that failed ended: the next one to the same follower goes on there. */
  readonly #ended = new Map<NodeId, OutgoingSnapshot>()
  /** Of the newest snapshot that was sent: it goes to several followers. */
  #sum: { readonly snapshot: Snapshot; readonly checksum: number } | null = null
  /** The newest one that was saved, and the one before it. */
  #newest: Snapshot | null
  #previous: Snapshot | null = null

  constructor(
    peers: PeerTransport,
    chunkBytes: number,
    newest: Snapshot | null,
    onSent: (to: NodeId, isDelivered: boolean) => void,
  ) {
    this.#peers = peers
    this.#newest = newest
    this.#chunkBytes = chunkBytes
    this.#onSent = onSent
  }

  /** The lowest index of those on their way; `null` for none. Their receivers will want the entries after it. */
  get neededIndex(): LogIndex | null {
    let lowest: LogIndex | null = null
    for (const { snapshot } of this.#transfers.values()) {
      if (lowest === null || snapshot.meta.index < lowest) lowest = snapshot.meta.index
    }
    return lowest
  }

  send(to: NodeId, head: SnapshotHead, snapshot: Snapshot): void {
    const ended = this.#ended.get(to)
    this.#ended.delete(to)
    const offset = ended?.snapshot === snapshot ? ended.offset : 0
    const transfer = new OutgoingSnapshot(head, snapshot, this.#checksumOf(snapshot), this.#chunkBytes, offset)
    this.#transfers.set(to, transfer)
    this.#sendNext(to, transfer)
  }

  /**
   * A newer snapshot is on disk. One that is under way may be finished, since the log is kept for it (`neededIndex`), but
   * not longer than until the next one: a slow receiver must not keep the log from ever being cut.
   */
  saved(snapshot: Snapshot): void {
    this.#previous = this.#newest
    this.#newest = snapshot
    for (const [to, transfer] of this.#transfers) if (this.#isOld(transfer)) this.#end(to, transfer, false)
    for (const [to, transfer] of this.#ended) if (this.#isOld(transfer)) this.#ended.delete(to)
  }

  /** The leadership is over, or the member stops. */
  cancel(): void {
    this.#transfers.clear()
    this.#ended.clear()
  }

  #sendNext(to: NodeId, transfer: OutgoingSnapshot): void {
    this.#peers.sendChunk(to, transfer.chunk()).then(
      ({ nextOffset }) => this.#onAnswer(to, transfer, nextOffset),
      () => this.#end(to, transfer, false),
    )
  }

  #onAnswer(to: NodeId, transfer: OutgoingSnapshot, nextOffset: number): void {
    if (this.#transfers.get(to) !== transfer) return
    const next = transfer.answered(nextOffset)
    if (next === 'more') this.#sendNext(to, transfer)
    else this.#end(to, transfer, next === 'delivered')
  }

  #end(to: NodeId, transfer: OutgoingSnapshot, isDelivered: boolean): void {
    if (this.#transfers.get(to) !== transfer) return
    this.#transfers.delete(to)
    if (!isDelivered) this.#ended.set(to, transfer)
    this.#onSent(to, isDelivered)
  }

  #isOld({ snapshot }: OutgoingSnapshot): boolean {
    return snapshot !== this.#newest && snapshot !== this.#previous
  }

  #checksumOf(snapshot: Snapshot): number {
    if (this.#sum?.snapshot !== snapshot) {
      this.#sum = { snapshot, checksum: crc32c(snapshot.data, 0, snapshot.data.length) }
    }
    return this.#sum.checksum
  }
}
