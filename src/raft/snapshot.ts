/** Snapshots this server took, and those it received (section 7). */
import { assert, assertAtMost } from '../util/assert.ts'
import { type LogIndex, toLogIndex } from '../util/numbers.ts'
import type { Raft } from './state.ts'
import type { SnapshotMeta } from './types.ts'

/** Describes a snapshot of the state as applied now; the configuration is the one of that index, not the newest. */
export function describeSnapshot(raft: Raft): SnapshotMeta {
  const index = raft.log.appliedIndex
  const term = raft.log.termAt(index)
  assert(term !== null, 'no snapshot while a received one is being installed')
  const { configurations, rules } = raft
  const configuration = rules.snapshotsKeepTheirConfiguration ? configurations.at(index) : configurations.current
  return { index, term, configuration }
}

/** The entries a snapshot covers may go, but for those a follower that is a little behind still needs. */
export function onSnapshotSaved(raft: Raft, meta: SnapshotMeta, discardUpTo: LogIndex): void {
  // A newer one from the leader came in between: that one stands.
  if (meta.index <= (raft.snapshot?.index ?? 0) || meta.index < raft.log.baseIndex) return
  assertAtMost(discardUpTo, meta.index, 'only what the snapshot covers is discarded')
  raft.snapshot = meta
  raft.log.compactTo(discardUpTo)
  raft.configurations.compactTo(raft.log.baseIndex)
}

/** The received snapshot reached the disk: now, and not before, the state machine changes. */
export function completeInstall(raft: Raft): void {
  const { installing } = raft
  if (installing === null || installing.write === 0 || !raft.durability.isDurable(installing.write)) return
  raft.installing = null
  raft.snapshot = installing.snapshot.meta
  raft.log.snapshotRestored(toLogIndex(installing.snapshot.meta.index))
  raft.effects.push({ kind: 'restore', snapshot: installing.snapshot })
}
