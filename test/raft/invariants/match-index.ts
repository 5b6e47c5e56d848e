/**
 * What a leader knows a follower to have never shrinks while it is the same follower, and lies below what is sent next
 * (figure 2, matchIndex; openraft cecb5de8, etcd-raft 149).
 */
import assert from 'node:assert/strict'
import type { Progress } from '../../../src/raft/progress.ts'
import type { Invariant } from './invariant.ts'

export function matchIndexRises(): Invariant {
  const known = new WeakMap<Progress, number>()
  return {
    stepped({ raft: { role } }) {
      if (role.kind !== 'leader') return
      for (const progress of role.progress.values()) {
        const { matchIndex, nextIndex } = progress
        assert.ok(matchIndex >= (known.get(progress) ?? 0), 'matchIndex never falls')
        assert.ok(matchIndex < nextIndex, 'matchIndex < nextIndex')
        known.set(progress, matchIndex)
      }
    },
  }
}
