/**
 * Open files, at most so many at once (more only while more are held): the least recently used one that nobody holds
 * is closed to make room. A file is
 * used at once (`use`: until the caller's next await) or held across awaits (`pin`). A file whose data is not synced
 * yet must be pinned by whoever will sync it, so that a write-back error reaches the handle that wrote.
 */
import type { Disk, DiskFile } from './disk.ts'

interface OpenFile {
  readonly file: DiskFile
  pins: number
  /** Renamed or removed: closed as soon as nobody holds it. */
  isForgotten: boolean
}

export interface PinnedFile {
  readonly file: DiskFile
  /** Once. */
  release(): void
}

export class FilePool {
  readonly #disk: Disk
  readonly #openFilesMax: number
  /** In order of last use, oldest first. */
  readonly #open = new Map<string, OpenFile>()

  constructor(disk: Disk, openFilesMax: number) {
    this.#disk = disk
    this.#openFilesMax = openFilesMax
  }

  get openCount(): number {
    return this.#open.size
  }

  use(path: string, options: { create: boolean } = { create: false }): DiskFile {
    return this.#acquire(path, options.create).file
  }

  pin(path: string): PinnedFile {
    const entry = this.#acquire(path, false)
    entry.pins++
    return {
      file: entry.file,
      release: () => {
        entry.pins--
        if (entry.isForgotten && entry.pins === 0) entry.file.close()
        this.#shrinkTo(this.#openFilesMax)
      },
    }
  }

  /** The name is about to mean another file, or none. Those who hold the old one may go on reading it. */
  forget(path: string): void {
    const entry = this.#open.get(path)
    if (entry === undefined) return
    this.#open.delete(path)
    entry.isForgotten = true
    if (entry.pins === 0) entry.file.close()
  }

  /** The same for every file of a directory that goes. */
  forgetIn(directory: string): void {
    for (const path of [...this.#open.keys()]) if (path.startsWith(`${directory}/`)) this.forget(path)
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.forget(path)
  }

  #acquire(path: string, create: boolean): OpenFile {
    const known = this.#open.get(path)
    if (known !== undefined) {
      this.#open.delete(path)
      this.#open.set(path, known)
      return known
    }
    this.#shrinkTo(this.#openFilesMax - 1)
    const entry: OpenFile = { file: this.#disk.open(path, { create }), pins: 0, isForgotten: false }
    this.#open.set(path, entry)
    return entry
  }

  #shrinkTo(count: number): void {
    if (this.#open.size <= count) return
    for (const [path, entry] of this.#open) {
      if (entry.pins > 0) continue
      this.#open.delete(path)
      entry.file.close()
      if (this.#open.size <= count) return
    }
  }
}
