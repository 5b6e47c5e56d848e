/**
 * The configuration in force is the last one in the log, also after a truncation; a snapshot carries the one of its own
 * index (section 6; matrixone 24966, apache/kafka 21025, redpanda ef1321ab99).
 */
import assert from 'node:assert/strict'
import { decodeConfiguration } from '../../../src/raft/configuration.ts'
import type { Raft } from '../../../src/raft/state.ts'
import type { Configuration, SnapshotMeta } from '../../../src/raft/types.ts'
import { toLogIndex } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function configurationOfLog(): Invariant {
  /** Every configuration that was applied anywhere, by its index. */
  const applied = new Map<number, Configuration>()
  const checkSnapshot = ({ index, configuration }: SnapshotMeta): void => {
    const at = Math.max(...[...applied.keys()].filter(known => known <= index))
    assert.deepEqual(configuration, applied.get(at), `the snapshot at ${index} carries the configuration of ${at}`)
  }
  return {
    stepped({ raft, input, effects }) {
      for (const effect of effects) {
        if (effect.kind === 'truncated') checkLog(raft)
        if (effect.kind !== 'apply') continue
        for (const entry of effect.entries) {
          if (entry.kind === 'configuration') applied.set(entry.index, decodeConfiguration(entry))
        }
      }
      if (input.kind === 'snapshotSaved') checkSnapshot(input.meta)
    },
  }
}

function checkLog({ log, configurations }: Raft): void {
  const held = log.slice(toLogIndex(log.baseIndex + 1), Number.POSITIVE_INFINITY)
  const last = held.findLast(entry => entry.kind === 'configuration')
  if (last === undefined) assert.ok(configurations.currentIndex <= log.baseIndex, 'no configuration is left of the log')
  else assert.deepEqual(configurations.current, decodeConfiguration(last), 'the configuration in force is the last one')
}
