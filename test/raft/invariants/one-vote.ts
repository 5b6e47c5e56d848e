/** One vote a term, over all lives of a disk (section 5.2; camunda 5356, tikv 9579, hashicorp/raft 661). */
import assert from 'node:assert/strict'
import type { NodeId } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function oneVote(): Invariant {
  const votes = new Map<string, NodeId>()
  return {
    leaving({ id, diskId }, { to, message }) {
      const isVote = message.kind === 'requestVote' || (message.kind === 'requestVoteReply' && message.isGranted)
      if (!isVote) return
      const vote = message.kind === 'requestVote' ? id : to
      const key = `${diskId}/${message.term}`
      assert.equal(votes.get(key) ?? vote, vote, `one vote a term: ${key}`)
      votes.set(key, vote)
    },
  }
}
