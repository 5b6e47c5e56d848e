/** The first entry of a cluster's log: who votes. It counts at once, as every configuration does (section 6). */
import { assert } from '../util/assert.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { encodeConfiguration } from './configuration.ts'
import type { Raft } from './state.ts'
import type { Configuration } from './types.ts'

/**
 * Only on a blank server: whoever has a log is in a cluster already. The entry is the same on every founder, so it is of
 * term 1 on all of them, also on one that has heard of a later term meanwhile: an entry of that term would make its log look
 * newer than those of the founders that elected a leader before.
 */
export function onFound(raft: Raft, configuration: Configuration): void {
  const { log } = raft
  assert(log.lastIndex === 0 && raft.installing === null, 'only a blank server founds a cluster')
  const [index, term] = [toLogIndex(1), toTerm(1)]
  if (raft.term < term) {
    raft.term = term
    raft.durability.isHardStateDirty = true
  }
  log.append({ index, term, kind: 'configuration', data: encodeConfiguration(configuration) })
  raft.configurations.add(index, configuration)
}
