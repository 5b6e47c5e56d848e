/**
 * What saving a snapshot costs those who propose meanwhile: batches of one 100-byte entry are persisted one after the
 * other, as a driver does, first alone and then beside a snapshot that covers 20,000 entries. Latency of a batch and the
 * longest turn of the event loop, for a small snapshot (only entries leave) and a large one.
 *
 *     node --import tsx bench/raft-snapshot.ts [directory on the disk in question]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { installFastCrc32c } from '../src/platform/crc32c.ts'
import type { RaftStorage } from '../src/raft/storage.ts'
import type { Snapshot } from '../src/raft/types.ts'
import { openLmdbStorage } from '../src/raft-storage/lmdb-storage.ts'
import { silentLogger } from '../src/util/logger.ts'
import { toLogIndex, toTerm } from '../src/util/numbers.ts'
import { MiB } from '../src/util/units.ts'

const coveredEntries = 20_000
const aloneMs = 2000
/** Before the save begins, so that its first turn is seen too. */
const beginMs = 100
const data = new Uint8Array(100)

interface Measured {
  readonly batchMs: readonly number[]
  readonly turnMsMax: number
}

/** Persists single entries until told to stop; the milliseconds each took. */
class Proposer {
  readonly #storage: RaftStorage
  #next = 1

  constructor(storage: RaftStorage) {
    this.#storage = storage
  }

  get lastIndex(): number {
    return this.#next - 1
  }

  async persist(count: number): Promise<void> {
    const entries = Array.from(
      { length: count },
      () => ({ index: toLogIndex(this.#next++), term: toTerm(1), kind: 'data', data }) as const,
    )
    await this.#storage.persist({ hardState: null, truncateFrom: null, entries })
  }

  /** Starts `begin` with a batch under way. */
  async measure(isDone: () => boolean, begin?: () => void): Promise<Measured> {
    const loop = monitorEventLoopDelay({ resolution: 1 })
    loop.enable()
    const batchMs: number[] = []
    if (begin !== undefined) setTimeout(begin, beginMs)
    while (!isDone()) {
      const start = performance.now()
      await this.persist(1)
      batchMs.push(performance.now() - start)
    }
    loop.disable()
    return { batchMs: batchMs.sort((a, b) => a - b), turnMsMax: loop.max / 1e6 }
  }
}

function snapshotAt(index: number, sizeBytes: number): Snapshot {
  const configuration = { voters: [], oldVoters: [], learners: [] }
  return { meta: { index: toLogIndex(index), term: toTerm(1), configuration }, data: new Uint8Array(sizeBytes).fill(7) }
}

function print(title: string, { batchMs, turnMsMax }: Measured, savedMs?: number): void {
  const at = (part: number): string =>
    batchMs[Math.min(batchMs.length - 1, Math.floor(part * batchMs.length))]!.toFixed(1)
  const saved = savedMs === undefined ? '' : `, saved after ${savedMs.toFixed(0)} ms`
  console.log(
    `${title.padEnd(34)} ${String(batchMs.length).padStart(5)} batches, ms: p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)}, ` +
      `longest turn ${turnMsMax.toFixed(1)} ms${saved}`,
  )
}

async function round(sizeBytes: number): Promise<void> {
  const directory = mkdtempSync(join(process.argv[2] ?? process.cwd(), 'bench-raft-storage-'))
  try {
    const options = { path: join(directory, 'raft'), nodeId: 1, deadlineMs: 60_000, logger: silentLogger }
    const storage = await openLmdbStorage(options)
    await storage.load()
    const proposer = new Proposer(storage)
    for (let i = 0; i < coveredEntries / 100; i++) await proposer.persist(100)
    const endMs = performance.now() + aloneMs
    print('alone', await proposer.measure(() => performance.now() > endMs))
    const snapshot = snapshotAt(proposer.lastIndex, sizeBytes)
    let startMs = Number.NaN
    let savedMs = Number.NaN
    const save = (): void => {
      startMs = performance.now()
      const saving = storage.saveSnapshot(snapshot, toLogIndex(coveredEntries))
      void saving.then(() => {
        savedMs = performance.now() - startMs
      })
    }
    // A while longer, for what goes on behind the save.
    const isDone = (): boolean => performance.now() - startMs - 1000 > savedMs
    const beside = await proposer.measure(isDone, save)
    print(`beside a snapshot of ${sizeBytes / MiB} MiB`, beside, savedMs)
    await storage[Symbol.asyncDispose]()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

installFastCrc32c()
for (const sizeBytes of [MiB, 32 * MiB, 128 * MiB]) await round(sizeBytes)
