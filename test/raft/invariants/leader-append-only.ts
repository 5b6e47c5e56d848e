/** A leader never removes or rewrites what is in its own log (figure 3, Leader Append-Only). */
import assert from 'node:assert/strict'
import type { Invariant } from './invariant.ts'

export function leaderAppendOnly(): Invariant {
  return {
    stepped({ raft, effects, before }) {
      if (!before.isLeader || raft.role.kind !== 'leader' || raft.term !== before.term) return
      for (const effect of effects) {
        const isCut = effect.kind === 'truncated' || (effect.kind === 'persist' && effect.truncateFrom !== null)
        assert.ok(!isCut, 'a leader only appends to its log')
      }
    },
  }
}
