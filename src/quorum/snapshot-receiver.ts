/**
 * A snapshot on its way in. One at a time, in memory set aside for it whole; nothing of it counts before all of it is
 * here and its checksum is right. It outlives the connection and the leader it began with: the next leader goes on with it,
 * if its snapshot is the same.
 */
import type { Snapshot, SnapshotMeta } from '../raft/types.ts'
import { crc32c } from '../util/crc32c.ts'
import type { LogIndex, Term } from '../util/numbers.ts'
import type { SnapshotChunk } from './peer-port.ts'
import type { QuorumRules } from './rules.ts'

interface PartialSnapshot {
  readonly meta: SnapshotMeta
  readonly checksum: number
  readonly data: Uint8Array
  /** Of the newest leader that sent a piece of it. */
  term: Term
  /** Exclusive: how much of `data` is here. */
  offset: number
}

export interface Received {
  /** What to answer: `ChunkAnswer.nextOffset`. */
  readonly nextOffset: number
  /** Whole and checked. */
  readonly snapshot: Snapshot | null
}

/** What a receiver answers that does not want a snapshot. */
export const notWanted = -1

export class SnapshotReceiver {
  readonly #sizeBytesMax: number
  readonly #rules: QuorumRules
  #partial: PartialSnapshot | null = null

  constructor(sizeBytesMax: number, rules: QuorumRules) {
    this.#sizeBytesMax = sizeBytesMax
    this.#rules = rules
  }

  /** Set aside for a snapshot that is not whole yet. */
  get bytesHeld(): number {
    return this.#partial?.data.length ?? 0
  }

  take(chunk: SnapshotChunk): Received {
    if (!isSound(chunk) || chunk.sizeBytes > this.#sizeBytesMax) return answer(notWanted)
    const partial = this.#partialFor(chunk)
    if (partial === null) return answer(notWanted)
    const { data, offset } = chunk
    if (this.#rules.chunksAreChecked && crc32c(data, 0, data.length) !== chunk.dataChecksum)
      return answer(partial.offset)
    // What is here already is not written again, and a gap is not bridged.
    if (offset <= partial.offset && offset + data.length > partial.offset) {
      partial.data.set(data, offset)
      partial.offset = offset + data.length
    }
    return partial.offset < partial.data.length ? answer(partial.offset) : this.#complete(partial)
  }

  /** What the log has reached another way is not waited for. */
  forgetUpTo(commitIndex: LogIndex): void {
    if (this.#partial !== null && this.#partial.meta.index <= commitIndex) this.#partial = null
  }

  /** `null`: an older one than what is being received. */
  #partialFor(chunk: SnapshotChunk): PartialSnapshot | null {
    const { meta, term, sizeBytes, checksum } = chunk
    const known = this.#partial
    if (known !== null && isSame(known, chunk)) {
      if (term > known.term) known.term = term
      return known
    }
    // A newer leader knows best; the same one only ever goes forward.
    if (known !== null && (term < known.term || (term === known.term && meta.index < known.meta.index))) return null
    this.#partial = { meta, checksum, data: new Uint8Array(sizeBytes), term, offset: 0 }
    return this.#partial
  }

  #complete({ meta, checksum, data }: PartialSnapshot): Received {
    this.#partial = null
    // Somewhere between two disks a bit turned: the pieces were right, so all of it is suspect.
    if (this.#rules.chunksAreChecked && crc32c(data, 0, data.length) !== checksum) return answer(0)
    return { nextOffset: data.length, snapshot: { meta, data } }
  }
}

function isSound({ sizeBytes, offset, data }: SnapshotChunk): boolean {
  return sizeBytes >= 0 && offset >= 0 && offset + data.length <= sizeBytes
}

function isSame({ meta, checksum, data }: PartialSnapshot, chunk: SnapshotChunk): boolean {
  const { index, term } = chunk.meta
  return meta.index === index && meta.term === term && checksum === chunk.checksum && data.length === chunk.sizeBytes
}

function answer(nextOffset: number): Received {
  return { nextOffset, snapshot: null }
}
