/** Starting a member: load, restore the snapshot, run; a blank one waits to be fed, or founds a cluster with the others. */
import { soundRules } from '../raft/options.ts'
import { createRaft } from '../raft/state.ts'
import { QuorumDriver } from './driver.ts'
import { defaultSnapshotPolicy, defaultTiming, type QuorumOptions, raftOptionsOf } from './options.ts'
import { soundQuorumRules } from './rules.ts'
import { runInSlices } from './slices.ts'
import type { Quorum } from './types.ts'

/**
 * Resolves with a running member, which may know of no cluster and no leader yet. Rejects with what the storage said,
 * `CorruptionError` for damage, and then leaves nothing running; storage and peers stay the caller's to close.
 */
export async function openQuorum(options: QuorumOptions): Promise<Quorum> {
  const { nodeId, storage, stateMachine, clock, random } = options
  const timing = { ...defaultTiming, ...options.timing }
  const policy = { ...defaultSnapshotPolicy, ...options.snapshots }
  const rules = { ...soundQuorumRules, ...options.rules }
  const coreRules = { ...soundRules, ...options.coreRules }
  const loaded = await storage.load()
  const { snapshot, entries } = loaded
  if (snapshot !== null)
    await runInSlices(stateMachine.restore(snapshot.data, snapshot.meta.index), clock, timing.sliceMs)
  if (!rules.logIsAppliedOnce) stateMachine.apply(entries.filter(entry => entry.kind === 'data'))
  const raft = createRaft(nodeId, loaded, raftOptionsOf(options, timing), random, coreRules, storage.diskId)
  options.observer?.started(raft)
  const driver = new QuorumDriver(raft, options, { timing, policy, rules, loaded: snapshot })
  // Deferred: whoever awaits this call sets its listeners before anything happens.
  clock.defer(() => driver.start())
  return driver
}
