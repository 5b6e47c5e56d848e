import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../src/raft-storage/lmdb-directory.ts'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { LmdbStore } from '../../src/raft-storage/lmdb-store.ts'
import { MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { damageTo } from '../../src/simulation/sim-raft-storage-image.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { seededRandom } from '../../src/util/random.ts'
import { raftStorageContract } from '../contract/raft-storage.ts'

raftStorageContract('memory', false, async () => {
  const image = new MemoryStorageImage()
  return { open: async () => memoryStorage(image), dispose: async () => {} }
})

const random = seededRandom(1)

raftStorageContract('lmdb', true, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-raft-'))
  const path = join(directory, 'raft')
  return {
    damage: async (kind, key) => {
      const store = new LmdbStore(await openDatabase({ path }), join(path, 'data.mdb'), 0)
      const pairs = Array.from(store.getRange(), ({ key, value }) => ({
        key: Buffer.from(key),
        value: Buffer.from(value),
      }))
      const at = pairs.findIndex(pair => pair.key.equals(key))
      await store.commit(damageTo(kind, pairs, at, random))
      await store.close()
    },
    // A small map, so that it has to grow.
    open: () => openLmdbStorage({ path, nodeId: 1, deadlineMs: 20_000, logger: silentLogger, mapBytes: 1024 * 1024 }),
    dispose: async () => rmSync(directory, { recursive: true }),
  }
})
