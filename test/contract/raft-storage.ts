/** What every `RaftStorage` must do; run on LMDB and on its in-memory twin. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LoadedState, PersistBatch, RaftStorage } from '../../src/raft/storage.ts'
import type { Entry, HardState, Snapshot } from '../../src/raft/types.ts'
import { chunkKey, identityKey, runKey, stateKey } from '../../src/raft-storage/records.ts'
import { type DamageKind, damageKinds } from '../../src/simulation/sim-raft-storage-image.ts'
import { AssertionError, CorruptionError, StorageError } from '../../src/util/errors.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'

/** One server's disk: each `open` is the server starting again. */
export interface RaftStorageDisk {
  open(): Promise<RaftStorage>
  /** Damages the value of `key` between two lives. */
  damage?(kind: DamageKind, key: Uint8Array): Promise<void>
  dispose(): Promise<void>
}

export const entryOf = (index: number, term: number, size = 20, kind: Entry['kind'] = 'data'): Entry => ({
  index: toLogIndex(index),
  term: toTerm(term),
  kind,
  data: Uint8Array.from({ length: size }, (_, i) => (index * 31 + term * 7 + i) & 0xff),
})

export const entriesOf = (from: number, to: number, term: number, size?: number): Entry[] =>
  Array.from({ length: to - from }, (_, i) => entryOf(from + i, term, size))

export const hardStateOf = (term: number, votedFor: number | null): HardState => ({
  term: toTerm(term),
  votedFor: votedFor === null ? null : toNodeId(votedFor),
})

export const snapshotOf = (index: number, term: number, size: number): Snapshot => ({
  meta: {
    index: toLogIndex(index),
    term: toTerm(term),
    configuration: { voters: [toNodeId(1), toNodeId(2)], oldVoters: [], learners: [toNodeId(3)] },
  },
  data: Uint8Array.from({ length: size }, (_, i) => (index + i * 13) & 0xff),
})

export const batchOf = (
  batch: Partial<Record<'truncateFrom', number>> & Partial<Omit<PersistBatch, 'truncateFrom'>>,
): PersistBatch => ({
  hardState: batch.hardState ?? null,
  truncateFrom: batch.truncateFrom === undefined ? null : toLogIndex(batch.truncateFrom),
  entries: batch.entries ?? [],
})

export const emptyState: LoadedState = { hardState: hardStateOf(0, null), snapshot: null, entries: [] }

const MiB = 1024 * 1024

/** `hasBytes`: there is something that can be damaged. */
export function raftStorageContract(name: string, hasBytes: boolean, makeDisk: () => Promise<RaftStorageDisk>): void {
  const onDisk = (title: string, run: (disk: RaftStorageDisk) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const disk = await makeDisk()
      try {
        await run(disk)
      } finally {
        await disk.dispose()
      }
    })
  }
  /** Runs on a freshly started server, and stops it. */
  const life = async (disk: RaftStorageDisk, run: (storage: RaftStorage, loaded: LoadedState) => Promise<unknown>) => {
    const storage = await disk.open()
    await run(storage, await storage.load())
    await storage[Symbol.asyncDispose]()
  }
  const expectState = (disk: RaftStorageDisk, expected: LoadedState): Promise<void> =>
    life(disk, async (_, loaded) => assert.deepEqual(loaded, expected))

  onDisk('a new disk is empty, in term 0, without a vote', async disk => {
    await expectState(disk, emptyState)
  })

  onDisk('hard state and entries of every kind survive a restart, and can be loaded twice', async disk => {
    const entries = [
      entryOf(1, 1, 0, 'noop'),
      entryOf(2, 1, 50),
      entryOf(3, 2, 9, 'configuration'),
      entryOf(4, 2, 200_000),
    ]
    await life(disk, async storage => {
      await storage.persist(batchOf({ hardState: hardStateOf(2, 3), entries }))
      assert.deepEqual((await storage.load()).entries, entries)
    })
    await expectState(disk, { hardState: hardStateOf(2, 3), snapshot: null, entries })
  })

  onDisk('a batch truncates before it appends, and a shorter log stays short', async disk => {
    await life(disk, async storage => {
      await storage.persist(batchOf({ hardState: hardStateOf(1, 1), entries: entriesOf(1, 11, 1) }))
      await storage.persist(batchOf({ hardState: hardStateOf(2, null), truncateFrom: 4, entries: entriesOf(4, 6, 2) }))
    })
    const entries = [...entriesOf(1, 4, 1), ...entriesOf(4, 6, 2)]
    await expectState(disk, { hardState: hardStateOf(2, null), snapshot: null, entries })
    await life(disk, storage => storage.persist(batchOf({ truncateFrom: 2 })))
    await expectState(disk, { hardState: hardStateOf(2, null), snapshot: null, entries: entriesOf(1, 2, 1) })
    await life(disk, storage => storage.persist(batchOf({ truncateFrom: 100, entries: entriesOf(2, 3, 3) })))
    await expectState(disk, {
      hardState: hardStateOf(2, null),
      snapshot: null,
      entries: [...entriesOf(1, 2, 1), ...entriesOf(2, 3, 3)],
    })
  })

  onDisk('a snapshot of many chunks discards what it is told to, and replaces the one before', async disk => {
    const first = snapshotOf(5, 1, 3 * MiB + 17)
    await life(disk, async storage => {
      await storage.persist(batchOf({ hardState: hardStateOf(1, 1), entries: entriesOf(1, 21, 1) }))
      await storage.saveSnapshot(first, toLogIndex(5))
      await storage.persist(batchOf({ entries: entriesOf(21, 23, 1) }))
    })
    await expectState(disk, { hardState: hardStateOf(1, 1), snapshot: first, entries: entriesOf(6, 23, 1) })
    const second = snapshotOf(10, 1, 100)
    await life(disk, storage => storage.saveSnapshot(second, toLogIndex(10)))
    await expectState(disk, { hardState: hardStateOf(1, 1), snapshot: second, entries: entriesOf(11, 23, 1) })
  })

  onDisk('entries may be kept behind a snapshot; what is loaded begins after it all the same', async disk => {
    const snapshot = snapshotOf(8, 1, 10)
    await life(disk, async storage => {
      await storage.persist(batchOf({ entries: entriesOf(1, 11, 1) }))
      await storage.saveSnapshot(snapshot, toLogIndex(3))
      await storage.persist(batchOf({ truncateFrom: 9, entries: entriesOf(9, 10, 2) }))
    })
    await expectState(disk, { hardState: hardStateOf(0, null), snapshot, entries: entriesOf(9, 10, 2) })
  })

  onDisk('the same snapshot again, shorter; and one that is empty', async disk => {
    await life(disk, async storage => {
      await storage.persist(batchOf({ entries: entriesOf(1, 11, 1) }))
      await storage.saveSnapshot(snapshotOf(8, 1, 2 * MiB + 1), toLogIndex(8))
      await storage.saveSnapshot(snapshotOf(8, 1, 10), toLogIndex(8))
    })
    await expectState(disk, { ...emptyState, snapshot: snapshotOf(8, 1, 10), entries: entriesOf(9, 11, 1) })
    await life(disk, storage => storage.saveSnapshot(snapshotOf(10, 1, 0), toLogIndex(10)))
    await expectState(disk, { ...emptyState, snapshot: snapshotOf(10, 1, 0), entries: [] })
  })

  onDisk('a snapshot from the leader replaces log, snapshot and hard state in one', async disk => {
    const snapshot = snapshotOf(100, 7, MiB)
    await life(disk, async storage => {
      await storage.persist(batchOf({ hardState: hardStateOf(3, 1), entries: entriesOf(1, 31, 3) }))
      await storage.saveSnapshot(snapshotOf(4, 3, 2 * MiB), toLogIndex(4))
      await storage.installSnapshot(snapshot, hardStateOf(7, 2))
      await storage.persist(batchOf({ entries: entriesOf(101, 103, 7) }))
    })
    await expectState(disk, { hardState: hardStateOf(7, 2), snapshot, entries: entriesOf(101, 103, 7) })
  })

  onDisk('persists resolve in the order of the calls, large and small, empty too', async disk => {
    await life(disk, async storage => {
      const order: number[] = []
      const calls = [
        storage.persist(batchOf({ entries: entriesOf(1, 4, 1, 300_000) })),
        storage.persist(batchOf({})),
        storage.persist(batchOf({ hardState: hardStateOf(1, 1) })),
        storage.persist(batchOf({ entries: entriesOf(4, 5, 1) })),
        storage.persist(batchOf({})),
      ]
      await Promise.all(calls.map((call, i) => call.then(() => order.push(i))))
      assert.deepEqual(order, [0, 1, 2, 3, 4])
    })
  })

  onDisk(
    'what is written while a snapshot is saved is there with it; a save behind an install gives way',
    async disk => {
      const saved = snapshotOf(3, 1, 5 * MiB)
      await life(disk, async storage => {
        await storage.persist(batchOf({ entries: entriesOf(1, 6, 1) }))
        const saving = storage.saveSnapshot(saved, toLogIndex(2))
        for (let i = 6; i < 12; i++) {
          const truncateFrom = i % 3 === 0 ? { truncateFrom: 5 } : {}
          const from = i % 3 === 0 ? 5 : i
          await storage.persist(
            batchOf({ hardState: hardStateOf(i, null), ...truncateFrom, entries: entriesOf(from, i + 1, i) }),
          )
        }
        await saving
      })
      const entries = [entryOf(4, 1), ...entriesOf(5, 10, 9), entryOf(10, 10), entryOf(11, 11)]
      await expectState(disk, { hardState: hardStateOf(11, null), snapshot: saved, entries })
      const installed = snapshotOf(20, 12, 2 * MiB)
      await life(disk, async storage => {
        const installing = storage.installSnapshot(installed, hardStateOf(12, 1))
        const saving = storage.saveSnapshot(snapshotOf(6, 9, 100), toLogIndex(6))
        await Promise.all([installing, saving])
      })
      await expectState(disk, { hardState: hardStateOf(12, 1), snapshot: installed, entries: [] })
    },
  )

  onDisk('a snapshot from the leader may end within the log, which may go on after it at once', async disk => {
    const snapshot = snapshotOf(5, 2, 100)
    await life(disk, async storage => {
      await storage.persist(batchOf({ entries: entriesOf(1, 11, 1) }))
      await storage.installSnapshot(snapshot, hardStateOf(2, null))
      await storage.persist(batchOf({ entries: entriesOf(6, 8, 2) }))
    })
    await expectState(disk, { hardState: hardStateOf(2, null), snapshot, entries: entriesOf(6, 8, 2) })
  })

  onDisk('what the caller does to its buffers afterwards changes nothing', async disk => {
    await life(disk, async storage => {
      const entry = entryOf(1, 1, 1000)
      const snapshot = snapshotOf(1, 1, 1000)
      const persisted = storage.persist(batchOf({ entries: [entry] }))
      const saved = storage.saveSnapshot(snapshot, toLogIndex(0))
      entry.data.fill(0)
      await Promise.all([persisted, saved])
      snapshot.data.fill(0)
      const loaded = await storage.load()
      loaded.snapshot!.data.fill(1)
      assert.deepEqual((await storage.load()).snapshot, snapshotOf(1, 1, 1000))
    })
  })

  onDisk(
    'a write that breaks the rules is a fault of the caller and changes nothing; nor does an older snapshot',
    async disk => {
      await life(disk, async storage => {
        await storage.persist(batchOf({ entries: entriesOf(1, 6, 1) }))
        await storage.saveSnapshot(snapshotOf(3, 1, 10), toLogIndex(3))
        const faults: Array<() => Promise<void>> = [
          () => storage.persist(batchOf({ entries: entriesOf(7, 8, 1) })),
          () => storage.persist(batchOf({ entries: entriesOf(5, 6, 1) })),
          () => storage.persist(batchOf({ entries: [entryOf(6, 1), entryOf(8, 1)] })),
          () => storage.persist(batchOf({ truncateFrom: 3 })),
          () => storage.saveSnapshot(snapshotOf(9, 1, 10), toLogIndex(9)),
          () => storage.saveSnapshot(snapshotOf(4, 1, 10), toLogIndex(5)),
          () => storage.installSnapshot(snapshotOf(2, 1, 10), hardStateOf(1, null)),
        ]
        for (const fault of faults) await assert.rejects(async () => fault(), AssertionError)
        await storage.saveSnapshot(snapshotOf(2, 1, 10), toLogIndex(2))
      })
      await expectState(disk, { ...emptyState, snapshot: snapshotOf(3, 1, 10), entries: entriesOf(4, 6, 1) })
    },
  )

  onDisk('writing before loading is a fault; after closing everything is refused', async disk => {
    const storage = await disk.open()
    await assert.rejects(async () => storage.persist(batchOf({ hardState: hardStateOf(1, 1) })), AssertionError)
    await storage.load()
    await storage[Symbol.asyncDispose]()
    await storage[Symbol.asyncDispose]()
    await assert.rejects(async () => storage.persist(batchOf({ hardState: hardStateOf(1, 1) })), StorageError)
    await assert.rejects(async () => storage.load(), StorageError)
    await expectState(disk, emptyState)
  })

  onDisk('closing waits for what is under way', async disk => {
    const storage = await disk.open()
    await storage.load()
    const writes = [1, 2, 3].map(i => storage.persist(batchOf({ entries: [entryOf(i, 1, 100_000)] })))
    await storage[Symbol.asyncDispose]()
    await Promise.all(writes)
    await expectState(disk, { ...emptyState, entries: entriesOf(1, 4, 1, 100_000) })
  })

  const places: Array<[name: string, key: Uint8Array]> = [
    ['identity', identityKey],
    ['state', stateKey],
    ['entries from 1', runKey(1)],
    ['entries from 6', runKey(6)],
    ['entries from 8', runKey(8)],
    ['snapshot 1 chunk 0', chunkKey(1, 0)],
  ]
  for (const kind of hasBytes ? damageKinds : []) {
    for (const [place, key] of places) {
      onDisk(`${kind} of ${place}: the place is named, and the way back`, async disk => {
        await life(disk, async storage => {
          // What was cut off is still on the disk, behind what the first two left of it.
          await storage.persist(batchOf({ hardState: hardStateOf(1, 1), entries: entriesOf(1, 11, 1) }))
          await storage.persist(batchOf({ truncateFrom: 6, entries: entriesOf(6, 11, 2) }))
          await storage.persist(batchOf({ truncateFrom: 8, entries: entriesOf(8, 11, 3) }))
          await storage.saveSnapshot(snapshotOf(5, 1, 100), toLogIndex(3))
        })
        await disk.damage!(kind, key)
        await assert.rejects(
          async () => {
            const storage = await disk.open()
            await storage.load().finally(() => storage[Symbol.asyncDispose]())
          },
          error => {
            assert.ok(error instanceof CorruptionError)
            // Of a misdirected value either place may be met first: where it is, or where it is missing.
            if (kind !== 'misdirectedValue') assert.ok(`${error.where} ${error.message}`.includes(place), error.message)
            assert.match(error.message, /remove it from the voters .* move the directory away, start the node empty/)
            return true
          },
        )
      })
    }
  }

  test(`${name}: any sequence of writes and restarts leaves what a plain array would hold`, async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('persist' as const),
          back: fc.nat(6),
          count: fc.nat(8),
          size: fc.nat(3000),
          vote: fc.boolean(),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('snapshot' as const),
          at: fc.nat(20),
          keep: fc.nat(4),
          size: fc.nat(20_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('install' as const), ahead: fc.nat(5), size: fc.nat(20_000) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const disk = await makeDisk()
        try {
          let storage = await disk.open()
          let model: LoadedState = await storage.load()
          let term = 0
          let saving = Promise.resolve()
          const last = (): number => model.entries.at(-1)?.index ?? model.snapshot?.meta.index ?? 0
          for (const s of steps) {
            term++
            if (s.kind === 'persist') {
              const from = Math.max((model.snapshot?.meta.index ?? 0) + 1, last() + 1 - s.back)
              const entries = entriesOf(from, from + s.count, term, s.size)
              const hardState = s.vote ? hardStateOf(term, s.back) : null
              void storage.persist(batchOf({ hardState, truncateFrom: from, entries }))
              const kept = model.entries.filter(e => e.index < from)
              model = { ...model, hardState: hardState ?? model.hardState, entries: [...kept, ...entries] }
            } else if (s.kind === 'snapshot') {
              const index = Math.max(model.snapshot?.meta.index ?? 0, last() - s.at)
              if (index === 0) continue
              const snapshot = snapshotOf(index, term, s.size)
              saving = storage.saveSnapshot(snapshot, toLogIndex(Math.max(0, index - s.keep)))
              model = { ...model, snapshot, entries: model.entries.filter(e => e.index > index) }
            } else if (s.kind === 'install') {
              const snapshot = snapshotOf(last() + 1 + s.ahead, term, s.size)
              await storage.installSnapshot(snapshot, hardStateOf(term, null))
              model = { hardState: hardStateOf(term, null), snapshot, entries: [] }
            } else {
              await storage[Symbol.asyncDispose]()
              storage = await disk.open()
              assert.deepEqual(await storage.load(), model)
            }
          }
          await saving
          assert.deepEqual(await storage.load(), model)
          await storage[Symbol.asyncDispose]()
        } finally {
          await disk.dispose()
        }
      }),
      { numRuns: runs(40) },
    )
  })
}
