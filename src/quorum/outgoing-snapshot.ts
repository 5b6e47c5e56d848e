/**
 * One snapshot on its way to one follower: which piece comes next. Only the answers say how far it is, so a lost, repeated
 * or refused piece is nothing special, and a transfer goes on where an earlier one ended.
 */
import type { Snapshot } from '../raft/types.ts'
import { crc32c } from '../util/crc32c.ts'
import type { NodeId, Term } from '../util/numbers.ts'
import type { SnapshotChunk } from './peer-port.ts'

/** Answers in a row that do not move it; a receiver may begin anew once or twice, not for ever. */
const standstillsMax = 3

export interface SnapshotHead {
  readonly from: NodeId
  readonly term: Term
  readonly round: number
}

export class OutgoingSnapshot {
  readonly snapshot: Snapshot
  readonly #head: SnapshotHead
  readonly #checksum: number
  readonly #chunkBytes: number
  #offset: number
  #standstills = 0

  /** `checksum` is the CRC-32C of the whole. `offset`: what the receiver is thought to have. */
  constructor(head: SnapshotHead, snapshot: Snapshot, checksum: number, chunkBytes: number, offset: number) {
    this.#head = head
    this.snapshot = snapshot
    this.#checksum = checksum
    this.#chunkBytes = chunkBytes
    this.#offset = offset
  }

  /** Exclusive: how far the receiver is, as far as its answers say. */
  get offset(): number {
    return this.#offset
  }

  /** The piece to be sent now. */
  chunk(): SnapshotChunk {
    const { meta, data: whole } = this.snapshot
    const data = whole.subarray(this.#offset, this.#offset + this.#chunkBytes)
    const dataChecksum = crc32c(data, 0, data.length)
    const { length: sizeBytes } = whole
    return { ...this.#head, meta, sizeBytes, checksum: this.#checksum, offset: this.#offset, data, dataChecksum }
  }

  /** `delivered`: the receiver has all of it. `failed`: it does not want it, or gets nowhere. */
  answered(nextOffset: number): 'more' | 'delivered' | 'failed' {
    const { length: sizeBytes } = this.snapshot.data
    if (nextOffset === sizeBytes) return 'delivered'
    if (!Number.isSafeInteger(nextOffset) || nextOffset < 0 || nextOffset > sizeBytes) return 'failed'
    if (nextOffset > this.#offset) this.#standstills = 0
    else if (++this.#standstills > standstillsMax) return 'failed'
    this.#offset = nextOffset
    return 'more'
  }
}
