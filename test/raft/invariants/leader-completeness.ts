/** A new leader holds every entry that was ever committed (figure 3, Leader Completeness). */
import assert from 'node:assert/strict'
import { toLogIndex } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function leaderCompleteness(): Invariant {
  return {
    stepped({ raft, before, history }) {
      if (raft.role.kind !== 'leader' || (before.isLeader && before.term === raft.term)) return
      for (let index = Math.max(1, raft.log.baseIndex); index <= history.highestCommit; index++) {
        const committed = history.committed.get(index)
        if (committed === undefined) continue
        const held = raft.log.termAt(toLogIndex(index))
        assert.equal(held, committed, `leader completeness at ${index} in term ${raft.term}`)
      }
    },
  }
}
