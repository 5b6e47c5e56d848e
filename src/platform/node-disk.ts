/**
 * The `Disk` port on `node:fs`. Writes are synchronous (the page cache takes 3 µs for 1 KiB where the thread pool takes
 * 90, see docs/BENCHMARKS.md); reads of data, syncs and removals go through libuv's pool.
 */
import * as fs from 'node:fs'
import type { Disk, DiskFile } from '../log/disk.ts'
import { StorageError } from '../util/errors.ts'
import { uncleared } from './uncleared.ts'

/** The process's file system. Paths are passed to the operating system as they are. */
export function nodeDisk(): Disk {
  return {
    open: (path, { create }) => attempt(path, 'open', () => openFile(path, create)),
    exists: path => fs.existsSync(path),
    list: listNames,
    isDirectory: path => fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false,
    makeDirectory: path => attempt(path, 'mkdir', () => void fs.mkdirSync(path, { recursive: true })),
    sizeOf: path => attempt(path, 'stat', () => fs.statSync(path).size),
    rename: (from, to) => attempt(from, 'rename', () => fs.renameSync(from, to)),
    removeFile: path => settle(path, 'unlink', done => fs.rm(path, { force: true }, done)),
    removeDirectory: path => settle(path, 'rmdir', done => fs.rm(path, { force: true, recursive: true }, done)),
    syncDirectory,
    readWhole: path => attempt(path, 'read', () => new Uint8Array(fs.readFileSync(path))),
    freeBytes: async path => {
      const stats = await fs.promises.statfs(path).catch(error => Promise.reject(storageError(path, 'statfs', error)))
      return stats.bavail * stats.bsize
    },
  }
}

function openFile(path: string, create: boolean): DiskFile {
  const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0)
  return new NodeFile(path, fs.openSync(path, flags, 0o644))
}

class NodeFile implements DiskFile {
  readonly path: string
  readonly #fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  sizeBytes(): number {
    return attempt(this.path, 'fstat', () => fs.fstatSync(this.#fd).size)
  }

  write(buffers: readonly Uint8Array[], position: number): void {
    attempt(this.path, 'write', () => writeAll(this.#fd, buffers, position))
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const bytes = uncleared(length)
      const next = (done: number): void => {
        fs.read(this.#fd, bytes, done, length - done, position + done, (error, count) => {
          if (error !== null) reject(storageError(this.path, 'read', error))
          else if (count === 0 || done + count === length) resolve(bytes.subarray(0, done + count))
          else next(done + count)
        })
      }
      if (length === 0) resolve(bytes)
      else next(0)
    })
  }

  readSync(into: Uint8Array, position: number): number {
    return attempt(this.path, 'read', () => {
      let done = 0
      while (done < into.length) {
        const count = fs.readSync(this.#fd, into, done, into.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  sync(): Promise<void> {
    return settle(this.path, 'fdatasync', done => fs.fdatasync(this.#fd, done))
  }

  truncate(sizeBytes: number): void {
    attempt(this.path, 'ftruncate', () => fs.ftruncateSync(this.#fd, sizeBytes))
  }

  close(): void {
    attempt(this.path, 'close', () => fs.closeSync(this.#fd))
  }
}

/** Below Linux's IOV_MAX of 1024. */
const buffersPerWriteMax = 1000

/** A short write is not an error to the kernel (a signal, a nearly full disk): go on from where it stopped. */
function writeAll(fd: number, buffers: readonly Uint8Array[], position: number): void {
  let at = position
  for (let from = 0; from < buffers.length; from += buffersPerWriteMax) {
    let rest = buffers.length <= buffersPerWriteMax ? buffers : buffers.slice(from, from + buffersPerWriteMax)
    while (rest.length > 0) {
      const written =
        rest.length === 1 ? fs.writeSync(fd, rest[0]!, 0, rest[0]!.length, at) : fs.writevSync(fd, rest, at)
      at += written
      rest = dropBytes(rest, written)
    }
  }
}

function dropBytes(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(index + 1)]
    left -= buffer.length
  }
  return []
}

function listNames(path: string): string[] {
  try {
    return fs.readdirSync(path).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw storageError(path, 'readdir', error)
  }
}

async function syncDirectory(path: string): Promise<void> {
  const fd = attempt(path, 'open', () => fs.openSync(path, 'r'))
  try {
    await settle(path, 'fsync', done => fs.fsync(fd, done))
  } finally {
    fs.closeSync(fd)
  }
}

function attempt<T>(path: string, operation: string, fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    throw storageError(path, operation, error)
  }
}

function settle(path: string, operation: string, start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start(error => {
      if (error === null) resolve()
      else reject(storageError(path, operation, error))
    })
  })
}

function storageError(path: string, operation: string, cause: unknown): StorageError {
  const { code } = cause as NodeJS.ErrnoException
  return new StorageError(path, `${operation} failed (${code ?? String(cause)})`, { cause })
}
