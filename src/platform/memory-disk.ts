/**
 * A `Disk` that lives and dies with the process: for `startServer({ inMemory: true })` and tests. Files are lists of
 * pages, so a growing segment is never copied; `sync` has nothing to do and says so at once.
 */
import type { Disk, DiskFile } from '../log/disk.ts'
import { StorageError } from '../util/errors.ts'
import { KiB, MiB } from '../util/units.ts'

const pageBytes = 64 * KiB
const firstPageBytes = 256

/** A new, empty disk with a root directory. `sizeBytesMax` bounds all files together; beyond it writes get ENOSPC. */
export function memoryDisk(options: { sizeBytesMax?: number } = {}): Disk {
  return new MemoryDisk(options.sizeBytesMax ?? 1024 * 1024 * MiB)
}

class MemoryDisk implements Disk {
  readonly #files = new Map<string, PagedBytes>()
  readonly #directories = new Set<string>()
  readonly #sizeBytesMax: number
  #usedBytes = 0

  constructor(sizeBytesMax: number) {
    this.#sizeBytesMax = sizeBytesMax
  }

  open(path: string, { create }: { create: boolean }): DiskFile {
    if (!this.#files.has(path)) {
      if (!create) throw failure(path, 'ENOENT')
      if (!this.isDirectory(parentOf(path))) throw failure(path, 'ENOENT')
      this.#files.set(path, new PagedBytes())
    }
    return new MemoryFile(path, this.#bytesOf(path), growth => this.#reserve(path, growth))
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.isDirectory(path)
  }

  list(path: string): string[] {
    const prefix = `${path}/`
    const names = new Set<string>()
    for (const known of [...this.#files.keys(), ...this.#directories]) {
      if (known.startsWith(prefix)) names.add(known.slice(prefix.length).split('/')[0]!)
    }
    return [...names].sort()
  }

  isDirectory(path: string): boolean {
    return path === '' || path === '.' || path === '/' || this.#directories.has(path)
  }

  makeDirectory(path: string): void {
    for (let at = path; !this.isDirectory(at); at = parentOf(at)) this.#directories.add(at)
  }

  sizeOf(path: string): number {
    return this.#bytesOf(path).sizeBytes
  }

  rename(from: string, to: string): void {
    if (this.#directories.has(from)) this.#renameDirectory(from, to)
    else this.#renameFile(from, to)
  }

  removeFile(path: string): Promise<void> {
    this.#drop(path)
    return Promise.resolve()
  }

  removeDirectory(path: string): Promise<void> {
    for (const file of [...this.#files.keys()]) if (file.startsWith(`${path}/`)) this.#drop(file)
    for (const directory of [...this.#directories]) {
      if (directory === path || directory.startsWith(`${path}/`)) this.#directories.delete(directory)
    }
    return Promise.resolve()
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve()
  }

  readWhole(path: string): Uint8Array {
    const bytes = this.#bytesOf(path)
    const whole = new Uint8Array(bytes.sizeBytes)
    bytes.read(whole, 0)
    return whole
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(this.#sizeBytesMax - this.#usedBytes)
  }

  #bytesOf(path: string): PagedBytes {
    const bytes = this.#files.get(path)
    if (bytes === undefined) throw failure(path, 'ENOENT')
    return bytes
  }

  #drop(path: string): void {
    this.#usedBytes -= this.#files.get(path)?.sizeBytes ?? 0
    this.#files.delete(path)
  }

  #reserve(path: string, growth: number): void {
    if (this.#usedBytes + growth > this.#sizeBytesMax) throw failure(path, 'ENOSPC')
    this.#usedBytes += growth
  }

  #renameFile(from: string, to: string): void {
    const bytes = this.#bytesOf(from)
    this.#drop(to)
    this.#files.delete(from)
    this.#files.set(to, bytes)
  }

  #renameDirectory(from: string, to: string): void {
    const moved = (path: string): string => to + path.slice(from.length)
    for (const [path, bytes] of [...this.#files]) {
      if (!path.startsWith(`${from}/`)) continue
      this.#files.delete(path)
      this.#files.set(moved(path), bytes)
    }
    for (const path of [...this.#directories]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.#directories.delete(path)
      this.#directories.add(moved(path))
    }
  }
}

class MemoryFile implements DiskFile {
  readonly path: string
  readonly #bytes: PagedBytes
  readonly #reserve: (growth: number) => void

  constructor(path: string, bytes: PagedBytes, reserve: (growth: number) => void) {
    this.path = path
    this.#bytes = bytes
    this.#reserve = reserve
  }

  sizeBytes(): number {
    return this.#bytes.sizeBytes
  }

  write(buffers: readonly Uint8Array[], position: number): void {
    const end = buffers.reduce((sum, buffer) => sum + buffer.length, position)
    this.#reserve(Math.max(0, end - this.#bytes.sizeBytes))
    let at = position
    for (const buffer of buffers) {
      this.#bytes.write(buffer, at)
      at += buffer.length
    }
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    return bytes.subarray(0, this.readSync(bytes, position))
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#bytes.read(into, position)
  }

  sync(): Promise<void> {
    return Promise.resolve()
  }

  truncate(sizeBytes: number): void {
    this.#reserve(sizeBytes - this.#bytes.sizeBytes)
    this.#bytes.truncate(sizeBytes)
  }

  close(): void {}
}

/** Bytes in pages of 64 KiB. The first page starts small and doubles: most files of an idle partition are tiny. */
class PagedBytes {
  sizeBytes = 0
  readonly #pages: Uint8Array[] = []

  write(bytes: Uint8Array, position: number): void {
    let done = 0
    while (done < bytes.length) {
      const at = position + done
      const inPage = at % pageBytes
      const count = Math.min(pageBytes - inPage, bytes.length - done)
      this.#page(Math.floor(at / pageBytes), inPage + count).set(bytes.subarray(done, done + count), inPage)
      done += count
    }
    this.sizeBytes = Math.max(this.sizeBytes, position + bytes.length)
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - position))
    let done = 0
    while (done < count) {
      const at = position + done
      const inPage = at % pageBytes
      const wanted = Math.min(pageBytes - inPage, count - done)
      const page = this.#page(Math.floor(at / pageBytes), inPage + wanted)
      into.set(page.subarray(inPage, inPage + wanted), done)
      done += wanted
    }
    return count
  }

  truncate(sizeBytes: number): void {
    const pageCount = Math.ceil(sizeBytes / pageBytes)
    if (this.#pages.length > pageCount) this.#pages.length = pageCount
    // What lies beyond the end must read as zero if the file grows again.
    const inPage = sizeBytes % pageBytes
    if (inPage > 0) this.#pages[pageCount - 1]?.fill(0, inPage)
    this.sizeBytes = sizeBytes
  }

  #page(index: number, usedBytes: number): Uint8Array {
    while (this.#pages.length < index) this.#pages.push(new Uint8Array(0))
    const page = this.#pages[index]
    if (page !== undefined && page.length >= usedBytes) return page
    let sizeBytes = index === 0 ? Math.max(firstPageBytes, page?.length ?? 0) : pageBytes
    while (sizeBytes < usedBytes) sizeBytes *= 2
    const grown = new Uint8Array(sizeBytes)
    if (page !== undefined) grown.set(page)
    this.#pages[index] = grown
    return grown
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '' : path.slice(0, slash)
}

function failure(path: string, code: string): StorageError {
  return new StorageError(path, `memory disk (${code})`, { cause: Object.assign(new Error(code), { code }) })
}
