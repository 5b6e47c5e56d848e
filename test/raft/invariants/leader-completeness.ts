/**
 * A new leader holds every entry that was committed in an earlier term (figure 3, Leader Completeness). One whose votes
 * came so late that a later term has had its leader need not: it leads nobody who could commit anything.
 */
import assert from 'node:assert/strict'
import { toLogIndex } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function leaderCompleteness(): Invariant {
  let newestTerm = 0
  return {
    stepped({ raft, history }) {
      if (raft.role.kind !== 'leader' || raft.term <= newestTerm) return
      newestTerm = raft.term
      for (let index = Math.max(1, raft.log.baseIndex); index <= history.highestCommit; index++) {
        const committed = history.committed.get(index)
        if (committed === undefined) continue
        const held = raft.log.termAt(toLogIndex(index))
        assert.equal(held, committed, `leader completeness at ${index} in term ${raft.term}`)
      }
    },
  }
}
