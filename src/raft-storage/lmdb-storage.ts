/** Raft's stable storage in a directory of this machine: the layout and the checks, on LMDB. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { RaftStorage } from '../raft/storage.ts'
import type { Logger } from '../util/logger.ts'
import { MiB } from '../util/units.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import { damaged } from './damage.ts'
import { openKeyValueStorage } from './key-value-storage.ts'
import { createDirectory, openDatabase } from './lmdb-directory.ts'
import { checkLmdbFile } from './lmdb-file.ts'
import { LmdbStore } from './lmdb-store.ts'
import { initialRecords } from './records.ts'

export interface LmdbStorageOptions {
  /** Directory of the LMDB files; made, with its parents, when it is missing. */
  readonly path: string
  /** Whose state it is: a directory of another node is refused. */
  readonly nodeId: number
  /** A commit without an answer for this long has failed. */
  readonly deadlineMs: number
  readonly logger: Logger
  /** The node has run before, and nobody else has what it knew: a missing directory is a loss, not a first start. */
  readonly mustExist?: boolean
  /** Free bytes the file system must keep: below, a write is refused before LMDB meets the end of the disk. */
  readonly reserveBytes?: number
  /** Address space at the start; LMDB takes more when the file grows. */
  readonly mapBytes?: number
}

/**
 * Opens or creates the storage. Throws `ConfigError` for a directory of another node or of a newer format,
 * `CorruptionError` for a damaged file, `StorageError` when the disk refuses.
 *
 * The caller makes sure that no other process has the directory open.
 */
export async function openLmdbStorage(options: LmdbStorageOptions): Promise<RaftStorage> {
  const { path, nodeId, deadlineMs, logger } = options
  const dataFile = join(path, 'data.mdb')
  const newDiskId = (): string => uuidFrom(randomBytes(uuidBytes))
  if (existsSync(path)) {
    if (!existsSync(dataFile)) throw damaged(dataFile, 'is missing from its directory')
    // LMDB trusts its file, and a damaged one can kill the process.
    checkLmdbFile(dataFile)
  } else {
    if (options.mustExist) throw damaged(path, 'is missing, though this node has run before')
    await createDirectory(options, initialRecords(nodeId, newDiskId()))
    logger.info({ path }, 'created the raft storage')
  }
  const store = new LmdbStore(await openDatabase(options), dataFile, options.reserveBytes ?? 8 * MiB)
  return openKeyValueStorage(store, { nodeId, deadlineMs, setTimer, newDiskId, logger })
}

function setTimer(delayMs: number, fn: () => void): { cancel(): void } {
  const timer = setTimeout(fn, delayMs)
  return { cancel: () => clearTimeout(timer) }
}
