/** What one disk holds of one partition: the headers of its batches, read again only where something changed. */
import { segmentBaseOffset, suffix } from '../../log/paths.ts'
import type { SimDisk } from '../sim-disk.ts'
import type { SimInode } from '../sim-image.ts'

/** Two batches with the same stamp have the same bytes. */
export interface BatchStamp {
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly leaderEpoch: number
  readonly crc: number
}

interface Segment {
  readonly inode: SimInode
  readonly generation: number
  readBytes: number
}

const headerBytes = 61
const prefixBytes = 12
const magic = 2

export class ReplicaFiles {
  readonly #directory: string
  /** Only what is certain to survive a power cut. */
  readonly #isDurable: boolean
  #disk: SimDisk | null = null
  #segments = new Map<string, Segment>()
  /** In the order of offsets. */
  readonly batches: BatchStamp[] = []
  /** Grows whenever something else happened than appending. */
  generation = 0

  constructor(directory: string, isDurable: boolean) {
    this.#directory = directory
    this.#isDurable = isDurable
  }

  /** Exclusive; 0 when there is nothing. */
  get endOffset(): number {
    return this.batches.at(-1)?.endOffset ?? 0
  }

  update(disk: SimDisk): void {
    const names = disk.namesIn(this.#directory, this.#isDurable).filter(name => name.endsWith(suffix.log))
    const isKnown =
      disk === this.#disk && [...this.#segments].every(([name, segment]) => this.#isAsRead(disk, name, segment))
    if (!isKnown) {
      this.#segments.clear()
      this.batches.length = 0
      this.generation++
    }
    this.#disk = disk
    for (const name of names) {
      if (segmentBaseOffset(name, suffix.log) !== null)
        this.#read(name, disk.look(`${this.#directory}/${name}`, this.#isDurable)!)
    }
  }

  #isAsRead(disk: SimDisk, name: string, { inode, generation }: Segment): boolean {
    return (
      disk.look(`${this.#directory}/${name}`, this.#isDurable) === inode && this.#generationOf(inode) === generation
    )
  }

  #generationOf(inode: SimInode): number {
    return this.#isDurable ? inode.durableGeneration : inode.generation
  }

  #read(name: string, inode: SimInode): void {
    const bytes = this.#isDurable ? inode.durable : inode.bytes
    let segment = this.#segments.get(name)
    if (segment === undefined) {
      segment = { inode, generation: this.#generationOf(inode), readBytes: 0 }
      this.#segments.set(name, segment)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (;;) {
      const at = segment.readBytes
      if (at + headerBytes > bytes.length || view.getUint8(at + 16) !== magic) return
      const sizeBytes = view.getInt32(at + 8) + prefixBytes
      if (sizeBytes < headerBytes || at + sizeBytes > bytes.length) return
      const baseOffset = Number(view.getBigInt64(at))
      const endOffset = baseOffset + view.getInt32(at + 23) + 1
      this.batches.push({ baseOffset, endOffset, leaderEpoch: view.getInt32(at + 12), crc: view.getUint32(at + 17) })
      segment.readBytes = at + sizeBytes
    }
  }
}
