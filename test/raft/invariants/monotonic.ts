/**
 * Term, commit index, applied index and snapshot never go back; the durable term not over restarts either (section 5.1;
 * openraft ac3e5a89, KAFKA-12460).
 */
import assert from 'node:assert/strict'
import type { Invariant } from './invariant.ts'

export function monotonic(): Invariant {
  /** By disk. */
  const durableTerms = new Map<string, number>()
  return {
    started({ diskId, life }) {
      assert.ok(life!.raft.term >= (durableTerms.get(diskId) ?? 0), 'a durable term never falls')
    },
    stepped({ raft, before }) {
      const { commitIndex, appliedIndex } = raft.log
      assert.ok(raft.term >= before.term, 'term never falls')
      assert.ok(commitIndex >= before.commitIndex, 'commitIndex never falls')
      assert.ok(appliedIndex >= before.appliedIndex, 'appliedIndex never falls')
      assert.ok(appliedIndex <= commitIndex, 'appliedIndex <= commitIndex')
      assert.ok((raft.snapshot?.index ?? 0) >= before.snapshotIndex, 'the snapshot never moves back')
    },
    written({ diskId, image }) {
      durableTerms.set(diskId, image.hardState.term)
    },
  }
}
