/** At most one leader a term (figure 3, Election Safety). */
import assert from 'node:assert/strict'
import type { NodeId } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function electionSafety(): Invariant {
  const leaders = new Map<number, NodeId>()
  return {
    stepped({ server, raft }) {
      if (raft.role.kind !== 'leader') return
      const known = leaders.get(raft.term) ?? server.id
      assert.equal(server.id, known, `election safety: one leader in term ${raft.term}`)
      leaders.set(raft.term, known)
    },
  }
}
