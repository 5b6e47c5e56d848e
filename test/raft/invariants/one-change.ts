/**
 * At most one change of membership is under way, and a leader begins none before it has committed in its own term
 * (section 6; Ongaro, "bug in single-server membership changes", raft-dev, 2015).
 */
import assert from 'node:assert/strict'
import type { Invariant } from './invariant.ts'

export function oneChange(): Invariant {
  return {
    stepped({ raft: { log, role, term, configurations }, before }) {
      const { current, currentIndex } = configurations
      if (role.kind !== 'leader' || !before.isLeader || current === before.configuration) return
      assert.equal(log.termAt(log.commitIndex), term, 'a change waits for a commit of the own term')
      const pending = configurations.possible(log.commitIndex)
      assert.ok(pending.length <= 2, `one change at a time: another before ${currentIndex} is not committed`)
    },
  }
}
