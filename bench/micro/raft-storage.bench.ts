/** Raft's storage on LMDB, one write at a time, beside a bare file that takes the same bytes and is synced. */
import { join } from 'node:path'
import { openLmdbStorage } from '../../src/raft-storage/lmdb-storage.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toLogIndex, toTerm } from '../../src/util/numbers.ts'
import { BareFile } from './bare-file.ts'
import type { Case, Prepared, Room } from './case.ts'

export const room: Room = {
  name: 'raft-storage',
  cases: [persisting('Raft storage, 1 × 100 B', 1), persisting('Raft storage, 100 × 100 B', 100)],
}

function persisting(name: string, count: number): Case {
  const prepare = async (directory: string): Promise<Prepared> => {
    const path = join(directory, 'raft')
    const storage = await openLmdbStorage({ path, nodeId: 1, deadlineMs: 60_000, logger: silentLogger })
    await storage.load()
    const file = new BareFile(join(directory, 'bare'))
    const data = new Uint8Array(100)
    const bytes = [new Uint8Array(count * data.length)]
    let next = 1
    const makeEntry = () => ({ index: toLogIndex(next++), term: toTerm(1), kind: 'data', data }) as const
    return {
      run: async () => {
        await storage.persist({
          hardState: null,
          truncateFrom: null,
          entries: Array.from({ length: count }, makeEntry),
        })
        return 1
      },
      reference: {
        name: 'a bare write and fdatasync',
        run: async () => {
          await file.append(bytes, true)
          return 1
        },
      },
      close: async () => {
        file.close()
        await storage[Symbol.asyncDispose]()
      },
    }
  }
  return { name, operation: 'a durable write', clock: 'wall', prepare }
}
