/** What one server calls committed is what every other does, for ever (section 5.4.3; figure 8). */
import assert from 'node:assert/strict'
import { toLogIndex } from '../../../src/util/numbers.ts'
import type { Invariant } from './invariant.ts'

export function committedForEver(): Invariant {
  return {
    stepped({ raft: { log }, before, history }) {
      for (let index = Math.max(log.baseIndex, before.commitIndex) + 1; index <= log.commitIndex; index++) {
        const known = history.committed.get(index)
        if (known !== undefined) assert.equal(log.termAt(toLogIndex(index)), known, `committed once: ${index}`)
      }
    },
  }
}
