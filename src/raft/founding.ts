/** The first entry of a cluster's log: who votes. It counts at once, as every configuration does (section 6). */
import { assert } from '../util/assert.ts'
import { toLogIndex, toTerm } from '../util/numbers.ts'
import { encodeConfiguration } from './configuration.ts'
import type { Raft } from './state.ts'
import type { Configuration } from './types.ts'

/** Only on a blank server: whoever has a log is in a cluster already, and may have voted in it. */
export function onFound(raft: Raft, configuration: Configuration): void {
  const { log } = raft
  assert(log.lastIndex === 0 && raft.installing === null, 'only a blank server founds a cluster')
  if (raft.term === 0) {
    raft.term = toTerm(1)
    raft.durability.isHardStateDirty = true
  }
  const index = toLogIndex(1)
  log.append({ index, term: raft.term, kind: 'configuration', data: encodeConfiguration(configuration) })
  raft.configurations.add(index, configuration)
}
