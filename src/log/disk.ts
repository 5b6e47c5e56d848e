/**
 * The disk, as a port. A write goes to the page cache before the call returns; only `sync` makes it survive power loss,
 * and a new or renamed name survives only after `syncDirectory`. The simulator's disk forgets exactly what this
 * contract lets it forget. Paths use `/`. Every failure is a `StorageError` naming the path; `code` of its cause is the
 * errno name (`ENOSPC`, `EIO`).
 */
export interface Disk {
  /** Opens for reading and writing. `create`: make it if it is missing. */
  open(path: string, options: { create: boolean }): DiskFile
  exists(path: string): boolean
  /** Names in the directory, sorted; empty when it does not exist. */
  list(path: string): string[]
  isDirectory(path: string): boolean
  makeDirectory(path: string): void
  /** Size of a file without opening it. */
  sizeOf(path: string): number
  /** Atomic, replaces the target; durable after `syncDirectory` of the parent. */
  rename(from: string, to: string): void
  /** Asynchronous because unlinking a large file blocks for as long as its extents take to free. Missing is fine. */
  removeFile(path: string): Promise<void>
  /** Removes a directory and all in it. Missing is fine. */
  removeDirectory(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  readWhole(path: string): Uint8Array
  /** Bytes a writer may still use. */
  freeBytes(path: string): Promise<number>
}

export interface DiskFile {
  readonly path: string
  sizeBytes(): number
  /** One gathered write at `position`. All bytes or a `StorageError`; after an error the file's tail is unknown. */
  write(buffers: readonly Uint8Array[], position: number): void
  /** The bytes from `position` in memory of their own; fewer than `length` only at the end of the file. May use the thread pool. */
  read(position: number, length: number): Promise<Uint8Array>
  /** Reads up to `into.length` bytes at once, and says how many: for small reads at start-up and index look-ups. */
  readSync(into: Uint8Array, position: number): number
  /** `fdatasync`. Rejects with `StorageError`; then the file must not be trusted or synced again by this process. */
  sync(): Promise<void>
  truncate(sizeBytes: number): void
  close(): void
}
