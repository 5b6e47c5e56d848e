/**
 * A `Disk` for crash tests. It keeps apart what the process sees and what the platter holds: writes and truncations
 * wait in their file until `sync`, names in their directory until `syncDirectory`. A crash lets an adversary choose,
 * within the contract of `Disk`, what else had reached the platter (see sim-image.ts).
 *
 * Every call that changes something or syncs is an *operation* with a number; a run can be crashed at any of them,
 * and any of them can be made to fail.
 */
import type { Disk, DiskFile } from '../log/disk.ts'
import type { Clock } from '../util/clock.ts'
import { StorageError } from '../util/errors.ts'
import type { Random } from '../util/random.ts'
import { durableImage, type Inode, SimDirectory, SimInode, survivorsOf } from './sim-image.ts'

/** Thrown by every call from the crash on: the process is dead and can change nothing any more. */
export class CrashSignal extends StorageError {}

export type OperationKind =
  | 'create'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'remove'
  | 'mkdir'
  | 'read'

export interface SimOperation {
  readonly kind: OperationKind
  readonly path: string
  /** From 1; reads are not counted and carry 0. */
  readonly index: number
}

export interface SimDiskOptions {
  /** With it, a sync takes `syncDelayMs` of virtual time; without, it is done in the next microtask. */
  readonly clock?: Clock
  readonly syncDelayMs?: number | (() => number)
  /** All file bytes together; a write beyond it fails with ENOSPC after a part of it was written. */
  readonly capacityBytes?: number
}

export class SimDisk implements Disk {
  /** Decides for each operation whether it fails: an errno name, `hang` (a sync that never settles) or `null`. */
  intercept: (operation: SimOperation) => 'EIO' | 'ENOSPC' | 'hang' | null = () => null
  /** Crash when this operation is reached; it is carried out (a sync is not) and its caller never hears of it. */
  crashAtOperation = Number.POSITIVE_INFINITY
  capacityBytes: number
  #operations = 0
  #hasCrashed = false
  readonly #root: SimDirectory
  readonly #options: SimDiskOptions

  constructor(options: SimDiskOptions = {}, root: SimDirectory = new SimDirectory()) {
    this.#options = options
    this.#root = root
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  get operationCount(): number {
    return this.#operations
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed
  }

  /** The disk after a power cut now: a new disk with what survived, chosen by `random`. This one is dead. */
  crash(random: Random): SimDisk {
    this.#hasCrashed = true
    return new SimDisk(this.#options, survivorsOf(this.#root, random))
  }

  /** The disk after the process was killed: the page cache lives on, unsynced as it was. */
  kill(): SimDisk {
    this.#hasCrashed = true
    return new SimDisk(this.#options, this.#root)
  }

  /** What is certain to survive a power cut: the image an acknowledgement may rely on. */
  durable(): SimDisk {
    return new SimDisk({}, durableImage(this.#root))
  }

  /** For observers, also of a disk that has crashed: a file by the names that the process sees, or those on the platter. */
  look(path: string, isDurable: boolean): SimInode | null {
    const entry = this.#find(path, isDurable)
    return entry instanceof SimInode ? entry : null
  }

  /** For observers: names in a directory, sorted. */
  namesIn(path: string, isDurable: boolean): string[] {
    const entry = this.#find(path, isDurable)
    return entry instanceof SimDirectory ? [...(isDurable ? entry.durable : entry.names).keys()].sort() : []
  }

  get usedBytes(): number {
    return this.#root.totalBytes()
  }

  /** Bit rot: flips one bit, in what the process reads and on the platter alike. */
  flipBit(path: string, position: number, bit: number): void {
    this.#inode(path).flipBit(position, bit)
  }

  open(path: string, { create }: { create: boolean }): DiskFile {
    this.#mustLive()
    const { directory, name } = this.#locate(path)
    let entry = directory.names.get(name)
    if (entry === undefined && create) {
      const inode = new SimInode()
      this.#operate('create', path, () => directory.change([[name, inode]]))
      entry = inode
    }
    if (!(entry instanceof SimInode)) throw failure(path, 'ENOENT')
    return new SimFile(this, path, entry)
  }

  exists(path: string): boolean {
    this.#mustLive()
    return this.#entry(path) !== undefined
  }

  list(path: string): string[] {
    this.#mustLive()
    const entry = this.#entry(path)
    return entry instanceof SimDirectory ? [...entry.names.keys()].sort() : []
  }

  isDirectory(path: string): boolean {
    this.#mustLive()
    return this.#entry(path) instanceof SimDirectory
  }

  makeDirectory(path: string): void {
    let directory = this.#root
    for (const name of partsOf(path)) {
      const known = directory.names.get(name)
      const next = known instanceof SimDirectory ? known : new SimDirectory()
      if (known === undefined) this.#operate('mkdir', path, () => directory.change([[name, next]]))
      directory = next
    }
  }

  sizeOf(path: string): number {
    this.#mustLive()
    return this.#inode(path).bytes.length
  }

  rename(from: string, to: string): void {
    const source = this.#locate(from)
    const target = this.#locate(to)
    const entry = source.directory.names.get(source.name)
    if (entry === undefined) throw failure(from, 'ENOENT')
    // Renames cross no directory here; one change keeps the two names atomic.
    if (source.directory !== target.directory) throw failure(to, 'EXDEV')
    this.#operate('rename', from, () =>
      source.directory.change([
        [source.name, null],
        [target.name, entry],
      ]),
    )
  }

  async removeFile(path: string): Promise<void> {
    this.#remove(path)
  }

  async removeDirectory(path: string): Promise<void> {
    this.#remove(path)
  }

  syncDirectory(path: string): Promise<void> {
    const directory = this.#entry(path)
    if (!(directory instanceof SimDirectory)) return Promise.reject(failure(path, 'ENOENT'))
    return this.#sync('syncDirectory', path, () => directory.captureSync())
  }

  readWhole(path: string): Uint8Array {
    this.#mustLive()
    return this.#inode(path).bytes.slice()
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(Math.max(0, this.capacityBytes - this.#root.totalBytes()))
  }

  /** For `SimFile` only. */
  writeTo(inode: SimInode, path: string, buffers: readonly Uint8Array[], position: number): void {
    const bytes = concat(buffers)
    const growth = Math.max(0, position + bytes.length - inode.bytes.length)
    const free = this.capacityBytes - this.#root.totalBytes()
    this.#operate('write', path, errno => {
      if (errno !== null || growth > free) {
        // A failed write may have written any part: here the half that fits.
        const fits = Math.max(0, Math.min(bytes.length - growth + free, bytes.length >> 1))
        inode.write(bytes.subarray(0, fits), position)
        throw failure(path, errno ?? 'ENOSPC')
      }
      inode.write(bytes, position)
    })
  }

  /** For `SimFile` only. */
  truncateTo(inode: SimInode, path: string, sizeBytes: number): void {
    this.#operate('truncate', path, () => inode.truncate(sizeBytes))
  }

  /** For `SimFile` only. */
  syncInode(inode: SimInode, path: string): Promise<void> {
    return this.#sync('sync', path, () => inode.captureSync())
  }

  /** For `SimFile` only. */
  readFrom(inode: SimInode, path: string, into: Uint8Array, position: number): number {
    this.#mustLive()
    const errno = this.intercept({ kind: 'read', path, index: 0 })
    if (errno !== null && errno !== 'hang') throw failure(path, errno)
    const found = inode.bytes.subarray(position, position + into.length)
    into.set(found)
    return found.length
  }

  #remove(path: string): void {
    this.#mustLive()
    const { directory, name } = this.#locate(path)
    if (directory.names.has(name)) this.#operate('remove', path, () => directory.change([[name, null]]))
  }

  #operate(kind: OperationKind, path: string, perform: (errno: string | null) => void): void {
    this.#mustLive()
    const index = ++this.#operations
    const errno = this.intercept({ kind, path, index })
    if (errno !== null && errno !== 'hang' && kind !== 'write') throw failure(path, errno)
    if (index >= this.crashAtOperation) {
      perform(null)
      this.#die()
    }
    perform(errno === 'hang' ? null : errno)
  }

  async #sync(kind: 'sync' | 'syncDirectory', path: string, capture: () => () => void): Promise<void> {
    this.#mustLive()
    const index = ++this.#operations
    if (index >= this.crashAtOperation) this.#die()
    const errno = this.intercept({ kind, path, index })
    if (errno === 'hang') return new Promise(() => undefined)
    const complete = capture()
    await this.#syncDelay()
    this.#mustLive()
    if (errno !== null) throw failure(path, errno)
    complete()
  }

  #syncDelay(): Promise<void> {
    const { clock, syncDelayMs } = this.#options
    if (clock === undefined || syncDelayMs === undefined) return Promise.resolve()
    const delayMs = typeof syncDelayMs === 'number' ? syncDelayMs : syncDelayMs()
    return new Promise(resolve => clock.setTimer(delayMs, resolve))
  }

  #die(): never {
    this.#hasCrashed = true
    throw new CrashSignal('disk', 'the simulated machine lost power')
  }

  #mustLive(): void {
    if (this.#hasCrashed) throw new CrashSignal('disk', 'the simulated machine has no power')
  }

  #entry(path: string): Inode | undefined {
    return this.#find(path, false)
  }

  #find(path: string, isDurable: boolean): Inode | undefined {
    let entry: Inode | undefined = this.#root
    for (const name of partsOf(path)) {
      entry = entry instanceof SimDirectory ? (isDurable ? entry.durable : entry.names).get(name) : undefined
    }
    return entry
  }

  #inode(path: string): SimInode {
    const entry = this.#entry(path)
    if (!(entry instanceof SimInode)) throw failure(path, 'ENOENT')
    return entry
  }

  #locate(path: string): { directory: SimDirectory; name: string } {
    const parts = partsOf(path)
    const directory = this.#entry(parts.slice(0, -1).join('/'))
    if (!(directory instanceof SimDirectory)) throw failure(path, 'ENOENT')
    return { directory, name: parts.at(-1)! }
  }
}

class SimFile implements DiskFile {
  readonly path: string
  readonly #disk: SimDisk
  readonly #inode: SimInode

  constructor(disk: SimDisk, path: string, inode: SimInode) {
    this.#disk = disk
    this.path = path
    this.#inode = inode
  }

  sizeBytes(): number {
    return this.#inode.bytes.length
  }

  write(buffers: readonly Uint8Array[], position: number): void {
    this.#disk.writeTo(this.#inode, this.path, buffers, position)
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    return bytes.subarray(0, this.readSync(bytes, position))
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#disk.readFrom(this.#inode, this.path, into, position)
  }

  sync(): Promise<void> {
    return this.#disk.syncInode(this.#inode, this.path)
  }

  truncate(sizeBytes: number): void {
    this.#disk.truncateTo(this.#inode, this.path, sizeBytes)
  }

  close(): void {}
}

function partsOf(path: string): string[] {
  return path.split('/').filter(part => part !== '' && part !== '.')
}

function concat(buffers: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0))
  let at = 0
  for (const buffer of buffers) {
    bytes.set(buffer, at)
    at += buffer.length
  }
  return bytes
}

function failure(path: string, code: string): StorageError {
  return new StorageError(path, `simulated disk (${code})`, { cause: Object.assign(new Error(code), { code }) })
}
