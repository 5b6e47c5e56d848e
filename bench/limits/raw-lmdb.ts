/** The limit of a group's commits on one machine: LMDB alone, opened as the raft storage opens it, committing the same batches. */
import { open } from 'lmdb'

export interface RawLoad {
  readonly directory: string
  readonly seconds: number
  /** Entries put in one turn. */
  readonly batch: number
  readonly sizeBytes: number
  /** Batches under way. lmdb-js makes one transaction of those that gather while one is being committed. */
  readonly concurrency: number
}

export interface RawResult {
  readonly commitsPerSecond: number
  readonly p50Ms: number
}

export async function rawLmdb({ directory, seconds, batch, sizeBytes, concurrency }: RawLoad): Promise<RawResult> {
  const database = open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    mapSize: 256 * 1024 * 1024,
  })
  const value = Buffer.alloc(sizeBytes, 0x5a)
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  let index = 0
  const commit = async (): Promise<void> => {
    for (let now = performance.now(); now < endsAt; ) {
      for (let i = 0; i < batch; i++) {
        const key = Buffer.alloc(8)
        key.writeUInt32BE(++index, 4)
        void database.put(key, value)
      }
      await database.flushed
      const committedAt = performance.now()
      latenciesMs.push(committedAt - now)
      now = committedAt
    }
  }
  await Promise.all(Array.from({ length: concurrency }, commit))
  const elapsedSeconds = (performance.now() - startedAt) / 1_000
  await database.close()
  latenciesMs.sort((a, b) => a - b)
  return { commitsPerSecond: latenciesMs.length / elapsedSeconds, p50Ms: latenciesMs[latenciesMs.length >> 1]! }
}
