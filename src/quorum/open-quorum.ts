/** Starting a member: load, bootstrap a blank storage, restore the snapshot, run. */
import { checkConfiguration, encodeConfiguration } from '../raft/configuration.ts'
import { createRaft, isSoleVoter } from '../raft/state.ts'
import type { LoadedState, RaftStorage } from '../raft/storage.ts'
import type { Configuration } from '../raft/types.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { QuorumDriver } from './driver.ts'
import { defaultSnapshotPolicy, defaultTiming, type QuorumOptions, raftOptionsOf } from './options.ts'
import type { Quorum } from './types.ts'

/**
 * Resolves with a running member. Rejects with what the storage said, `CorruptionError` for damage, and then leaves
 * nothing running; the storage stays the caller's to close.
 */
export async function openQuorum(options: QuorumOptions): Promise<Quorum> {
  const { nodeId, storage, stateMachine, clock, random, bootstrap } = options
  const timing = { ...defaultTiming, ...options.timing }
  const policy = { ...defaultSnapshotPolicy, ...options.snapshots }
  const found = await storage.load()
  const loaded = bootstrap !== null && isBlank(found) ? await bootstrapStorage(storage, bootstrap) : found
  const raft = createRaft(nodeId, loaded, raftOptionsOf(options, timing), random)
  if (loaded.snapshot !== null) stateMachine.restore(loaded.snapshot.data, loaded.snapshot.meta.index)
  const driver = new QuorumDriver(raft, options, timing, policy, loaded.snapshot)
  // Deferred: whoever awaits this call sets its listeners before anything happens.
  if (isSoleVoter(raft)) clock.defer(() => driver.campaign())
  return driver
}

function isBlank(state: LoadedState): boolean {
  return state.hardState.term === 0 && state.snapshot === null && state.entries.length === 0
}

/**
 * The first voters are the first entry, the same on every one of them, and from then on part of the log: what a later
 * start finds in its settings no longer matters, so a restart can never make a cluster of one out of a cluster of three.
 */
async function bootstrapStorage(storage: RaftStorage, configuration: Configuration): Promise<LoadedState> {
  checkConfiguration(configuration)
  const term = toTerm(1)
  const hardState = { term, votedFor: null }
  const data = encodeConfiguration(configuration)
  const entries = [{ index: toLogIndex(1), term, kind: 'configuration', data } as const]
  await storage.persist({ hardState, truncateFrom: null, entries })
  return { hardState, snapshot: null, entries }
}
