/**
 * What a Raft store holds, in three numbers, and the rules by which a write may change them: the same for both
 * implementations. A write that breaks a rule is a fault of the caller, so these are assertions.
 */
import type { PersistBatch } from '../raft/storage.ts'
import type { SnapshotMeta } from '../raft/types.ts'
import { assert, assertAtMost } from '../util/assert.ts'

export interface LogRange {
  /** Index of the first entry held; equal to `endIndex` when there is none. At most `snapshotIndex + 1`. */
  readonly firstIndex: number
  /** Exclusive. Above `snapshotIndex`. */
  readonly endIndex: number
  /** Last index the snapshot covers, inclusive; 0 without one. */
  readonly snapshotIndex: number
}

export const emptyRange: LogRange = { firstIndex: 1, endIndex: 1, snapshotIndex: 0 }

/** The range after `batch`: truncate, then append. */
export function rangeAfterPersist(range: LogRange, batch: PersistBatch): LogRange {
  let endIndex = range.endIndex
  if (batch.truncateFrom !== null) {
    assert(batch.truncateFrom > range.snapshotIndex, 'truncateFrom is above the snapshot')
    endIndex = Math.min(endIndex, batch.truncateFrom)
  }
  for (const entry of batch.entries) assert(entry.index === endIndex++, 'entries continue the log without a hole')
  return { ...range, endIndex }
}

/** A newer snapshot is there, which may have come from the leader while `snapshot` was made or waited. */
export function isSuperseded(range: LogRange, snapshot: SnapshotMeta): boolean {
  return snapshot.index < range.snapshotIndex
}

/** The range after `snapshot` is kept and the entries up to `discardUpTo` (inclusive) are gone. */
export function rangeAfterSnapshot(range: LogRange, snapshot: SnapshotMeta, discardUpTo: number): LogRange {
  assertAtMost(discardUpTo, snapshot.index, 'only what the snapshot covers is discarded')
  assertAtMost(range.snapshotIndex, snapshot.index, 'a snapshot is not older than the one before')
  assert(snapshot.index < range.endIndex, 'a local snapshot covers entries of the log')
  return { ...range, firstIndex: Math.max(range.firstIndex, discardUpTo + 1), snapshotIndex: snapshot.index }
}

/** The range once a leader's snapshot has replaced everything. */
export function rangeAfterInstall(range: LogRange, snapshot: SnapshotMeta): LogRange {
  assertAtMost(range.snapshotIndex, snapshot.index, 'a snapshot is not older than the one before')
  return { firstIndex: snapshot.index + 1, endIndex: snapshot.index + 1, snapshotIndex: snapshot.index }
}
