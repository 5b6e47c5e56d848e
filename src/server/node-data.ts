/** Where a node keeps its data: a directory of this machine, locked and known to be its own, or the memory of the process. */
import { join } from 'node:path'
import type { Disk } from '../log/disk.ts'
import { memoryDisk } from '../platform/memory-disk.ts'
import { nodeDisk } from '../platform/node-disk.ts'
import { systemRandom } from '../platform/random.ts'
import type { RaftStorage } from '../raft/storage.ts'
import { Disposables } from '../util/disposables.ts'
import type { Logger } from '../util/logger.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import type { NodeConfig } from './config/index.ts'
import { otherVoters } from './config/peers.ts'
import { openDataDirectory } from './data-directory.ts'

export interface NodeData extends AsyncDisposable {
  /** Absolute path; `null` when it is all in memory. */
  readonly directory: string | null
  /** The cluster the data belong to; `null` before the first start. */
  readonly clusterId: string | null
  readonly disk: Disk
  /** Of the partitions, on `disk`. */
  readonly partitionsDirectory: string
  readonly raftStorage: RaftStorage
  /** Writes the cluster down on the first start, checks it on every other. */
  belongsTo(clusterId: string): void
}

export interface NodeDataOptions {
  readonly inMemory: boolean
  readonly logger: Logger
}

export function openNodeData(config: NodeConfig, options: NodeDataOptions): Promise<NodeData> {
  return options.inMemory ? inMemory() : onDisk(config, options.logger)
}

async function onDisk(config: NodeConfig, logger: Logger): Promise<NodeData> {
  // Loading LMDB takes longer than opening the directory, and waits for nothing.
  const loading = import('../raft-storage/lmdb-storage.ts')
  const owned = new Disposables()
  try {
    const directory = owned.use(await openDataDirectory({ path: config.logDirs, nodeId: config.nodeId }))
    const { openLmdbStorage } = await loading
    const raftStorage = owned.use(
      await openLmdbStorage({
        path: directory.raftPath,
        nodeId: config.nodeId,
        deadlineMs: config.metadataLogWriteTimeoutMs,
        // Other voters know by the disk's id that what this one knew is lost; an only voter would found another cluster.
        mustExist: directory.clusterId !== null && otherVoters(config).length === 0,
        logger,
      }),
    )
    return {
      directory: directory.path,
      clusterId: directory.clusterId,
      disk: nodeDisk(),
      partitionsDirectory: directory.path,
      raftStorage,
      belongsTo: clusterId => directory.confirmClusterId(clusterId),
      [Symbol.asyncDispose]: () => owned.dispose(),
    }
  } catch (error) {
    await loading.catch(() => {})
    await owned.dispose()
    throw error
  }
}

async function inMemory(): Promise<NodeData> {
  const { MemoryStorageImage, memoryStorage } = await import('../raft-storage/memory-storage.ts')
  const raftStorage = memoryStorage(new MemoryStorageImage(uuidFrom(systemRandom.nextBytes(uuidBytes))))
  return {
    directory: null,
    clusterId: null,
    disk: memoryDisk(),
    partitionsDirectory: join('memory', 'partitions'),
    raftStorage,
    belongsTo() {},
    [Symbol.asyncDispose]: () => raftStorage[Symbol.asyncDispose](),
  }
}
