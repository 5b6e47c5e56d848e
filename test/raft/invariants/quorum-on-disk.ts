/**
 * A leader calls committed only what is of its own term and on the disks of a quorum: of both, in joint consensus; without
 * learners and observers; of the disks that the configuration names (sections 5.4.2 and 6; figure 8; KAFKA-10533,
 * openraft d60f1e85, etcd 14370).
 */
import assert from 'node:assert/strict'
import { hasQuorum } from '../../../src/raft/quorum-math.ts'
import { diskIn, type Invariant, imageTermAt } from './invariant.ts'

export function quorumOnDisk(): Invariant {
  return {
    stepped({ raft: { log, role, term }, before, history }) {
      const index = log.commitIndex
      if (role.kind !== 'leader' || index <= history.highestCommit) return
      assert.equal(log.termAt(index), term, 'only an entry of the own term is committed by counting')
      // Counted with the configuration from before the step: the commit itself may have ended it.
      const { configuration } = before
      const isHeld = hasQuorum(configuration, id => {
        return imageTermAt(history.cluster.imageOf(id, diskIn(configuration, id)), index) === term
      })
      assert.ok(isHeld, `committed index ${index} is on the disks of a quorum`)
    },
  }
}
