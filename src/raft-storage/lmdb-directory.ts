/** Opens and creates the directory of an LMDB store. lmdb itself is loaded here, at first use: it takes 50 ms. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { StorageError } from '../util/errors.ts'
import { MiB } from '../util/units.ts'
import type { Change } from './key-value-store.ts'
import { LmdbStore } from './lmdb-store.ts'

interface DirectoryOptions {
  readonly path: string
  readonly mapBytes?: number
}

export async function openDatabase(options: DirectoryOptions): Promise<RootDatabase<Buffer, Buffer>> {
  const { open } = await import('lmdb')
  try {
    return open<Buffer, Buffer>({
      path: options.path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      // Only what was synced is ever in a meta page; `safeRestore`, which matters with overlapping syncs, has no part here.
      overlappingSync: false,
      mapSize: options.mapBytes ?? 64 * MiB,
      maxDbs: 1,
    })
  } catch (error) {
    throw new StorageError(options.path, (error as Error).message, { cause: error })
  }
}

/**
 * Makes the directory with its first records in it, all or nothing: built beside, synced, then renamed. LMDB syncs its
 * file but not the directory that names it; without this a power cut in the first moments could take the file away.
 */
export async function createDirectory(options: DirectoryOptions, initial: readonly Change[]): Promise<void> {
  const building = `${options.path}.new`
  try {
    rmSync(building, { recursive: true, force: true })
    mkdirSync(building, { recursive: true })
    const store = new LmdbStore(await openDatabase({ ...options, path: building }), join(building, 'data.mdb'), 0)
    await store.commit(initial)
    await store.close()
    syncDirectory(building)
    renameSync(building, options.path)
    syncDirectory(dirname(options.path))
  } catch (error) {
    if (error instanceof StorageError) throw error
    throw new StorageError(options.path, (error as Error).message, { cause: error })
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
