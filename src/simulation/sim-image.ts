/**
 * What a simulated disk holds, and what of it survives a power cut.
 *
 * A file survives sector by sector: of each 512-byte sector, the state after its last sync or after any unsynced
 * operation on it; the size likewise; what lies inside the size and was never written is zero. A directory survives
 * operation by operation: any subset of the unsynced ones, each (a rename is one) whole or not at all.
 */
import type { Random } from '../util/random.ts'

export type Inode = SimInode | SimDirectory

const sectorBytes = 512

type FileChange = { position: number; bytes: Uint8Array } | { truncatedTo: number }

/** One file: what the process sees (`bytes`), what was on the platter at the last sync, and the changes between. */
export class SimInode {
  durable: Uint8Array = new Uint8Array(0)
  unsynced: FileChange[] = []
  /** Grows with everything but appends: whoever has read a part of the file must read it again. */
  generation = 0
  durableGeneration = 0
  /** Longer than the file, so that appending does not copy it. */
  #buffer: Uint8Array = new Uint8Array(0)
  #bytes: Uint8Array = this.#buffer
  /** Below, others hold views of the buffer: what changes there changes a copy. */
  #sharedBytes = 0
  #syncsBegun = 0
  #syncsDone = 0

  static of(bytes: Uint8Array): SimInode {
    const inode = new SimInode()
    inode.#hold(bytes)
    inode.durable = bytes
    return inode
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  write(bytes: Uint8Array, position: number): void {
    const sizeBytes = this.#bytes.length
    this.unsynced.push({ position, bytes: bytes.slice() })
    if (position < sizeBytes) this.generation++
    this.#resize(Math.max(sizeBytes, position + bytes.length), Math.min(sizeBytes, position))
    this.#buffer.set(bytes, position)
  }

  truncate(sizeBytes: number): void {
    this.unsynced.push({ truncatedTo: sizeBytes })
    this.generation++
    this.#resize(sizeBytes, Math.min(sizeBytes, this.#bytes.length))
  }

  /** What lies at `changedFrom` or above may be written afterwards; what is new is zero. */
  #resize(sizeBytes: number, changedFrom: number): void {
    const before = this.#bytes
    if (changedFrom < Math.min(this.#sharedBytes, sizeBytes) || sizeBytes > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(sizeBytes, this.#buffer.length, 2 * before.length))
      this.#buffer.set(before.subarray(0, sizeBytes))
      this.#sharedBytes = 0
    } else if (sizeBytes > before.length) this.#buffer.fill(0, before.length, sizeBytes)
    this.#bytes = this.#buffer.subarray(0, sizeBytes)
  }

  #hold(bytes: Uint8Array): void {
    this.#buffer = this.#bytes = bytes
    this.#sharedBytes = bytes.length
  }

  /** A sync covers what was changed before it began; the returned function completes it. */
  captureSync(): () => void {
    const { bytes, generation } = this
    this.#sharedBytes = Math.max(this.#sharedBytes, bytes.length)
    const covered = new Set(this.unsynced)
    const sequence = ++this.#syncsBegun
    return () => {
      // Syncs of one file may end out of order; an earlier one never undoes a later one.
      if (sequence > this.#syncsDone) {
        this.#syncsDone = sequence
        this.durable = bytes
        this.durableGeneration = generation
      }
      this.unsynced = this.unsynced.filter(change => !covered.has(change))
    }
  }

  flipBit(position: number, bit: number): void {
    this.#hold(this.#bytes.slice())
    this.#bytes[position]! ^= 1 << bit
    this.generation++
    this.durableGeneration++
    if (position < this.durable.length) {
      this.durable = this.durable.slice()
      this.durable[position]! ^= 1 << bit
    }
  }

  /** The file after a power cut. */
  survivor(random: Random): SimInode {
    if (this.unsynced.length === 0) return SimInode.of(this.durable)
    const versions = [this.durable]
    for (const change of this.unsynced) versions.push(applied(versions.at(-1)!, change))
    const sizeBytes = versions[random.nextInt(versions.length)]!.length
    const result = new Uint8Array(sizeBytes)
    // Mostly everything or nothing, as a real cache is written back; sometimes any mixture.
    const mode = random.nextInt(3)
    for (let from = 0; from < sizeBytes; from += sectorBytes) {
      const version = mode === 0 ? versions.length - 1 : mode === 1 ? 0 : random.nextInt(versions.length)
      result.set(versions[version]!.subarray(from, Math.min(from + sectorBytes, sizeBytes)), from)
    }
    return SimInode.of(result)
  }
}

/** Names set by one operation: `null` removes. */
type NameChange = ReadonlyArray<readonly [name: string, entry: Inode | null]>

export class SimDirectory {
  names = new Map<string, Inode>()
  durable = new Map<string, Inode>()
  unsynced: NameChange[] = []
  #syncsBegun = 0
  #syncsDone = 0

  change(change: NameChange): void {
    this.unsynced.push(change)
    applyNames(this.names, change)
  }

  captureSync(): () => void {
    const covered = new Set(this.unsynced)
    const names = new Map(this.names)
    const sequence = ++this.#syncsBegun
    return () => {
      // As with files: one that began earlier and ends later undoes nothing.
      if (sequence > this.#syncsDone) {
        this.#syncsDone = sequence
        this.durable = names
      }
      this.unsynced = this.unsynced.filter(change => !covered.has(change))
    }
  }

  totalBytes(): number {
    let sum = 0
    for (const entry of this.names.values()) {
      sum += entry instanceof SimDirectory ? entry.totalBytes() : entry.bytes.length
    }
    return sum
  }
}

/** The tree after a power cut. */
export function survivorsOf(directory: SimDirectory, random: Random): SimDirectory {
  const names = new Map(directory.durable)
  const keptChance = [0, 0.5, 1][random.nextInt(3)]!
  for (const change of directory.unsynced) if (random.nextFloat() < keptChance) applyNames(names, change)
  return directoryOf(names, entry =>
    entry instanceof SimDirectory ? survivorsOf(entry, random) : entry.survivor(random),
  )
}

/** The tree with nothing but what was synced. */
export function durableImage(directory: SimDirectory): SimDirectory {
  return directoryOf(directory.durable, entry =>
    entry instanceof SimDirectory ? durableImage(entry) : SimInode.of(entry.durable),
  )
}

function directoryOf(names: ReadonlyMap<string, Inode>, copy: (entry: Inode) => Inode): SimDirectory {
  const result = new SimDirectory()
  for (const [name, entry] of names) result.names.set(name, copy(entry))
  result.durable = new Map(result.names)
  return result
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  for (const [name, entry] of change) {
    if (entry === null) names.delete(name)
    else names.set(name, entry)
  }
}

function applied(bytes: Uint8Array, change: FileChange): Uint8Array {
  if ('truncatedTo' in change) {
    const cut = new Uint8Array(change.truncatedTo)
    cut.set(bytes.subarray(0, change.truncatedTo))
    return cut
  }
  const grown = new Uint8Array(Math.max(bytes.length, change.position + change.bytes.length))
  grown.set(bytes)
  grown.set(change.bytes, change.position)
  return grown
}
