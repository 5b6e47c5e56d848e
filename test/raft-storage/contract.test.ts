import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { raftStorageContract } from '../contract/raft-storage.ts'

raftStorageContract('memory', async () => {
  const image = new MemoryStorageImage()
  return { open: async () => memoryStorage(image), dispose: async () => {} }
})

raftStorageContract('lmdb', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-raft-'))
  const path = join(directory, 'raft')
  return {
    // A small map, so that it has to grow.
    open: () => openLmdbStorage({ path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger, mapBytes: 1024 * 1024 }),
    dispose: async () => rmSync(directory, { recursive: true }),
  }
})
