/**
 * A read reflects everything that was committed anywhere before it was asked, so everything that was acknowledged (thesis,
 * section 6.4; etcd 20418, redpanda 5090).
 */
import assert from 'node:assert/strict'
import type { Invariant } from './invariant.ts'

export function freshReads(): Invariant {
  /** `server/read` → the highest commit index when it was asked. */
  const asked = new Map<string, number>()
  return {
    stepped({ server, input, effects, history }) {
      if (input.kind === 'readIndex') asked.set(`${server.id}/${input.id}`, history.highestCommit)
      for (const effect of effects) {
        if (effect.kind !== 'readReady') continue
        const least = asked.get(`${server.id}/${effect.id}`)!
        assert.ok(
          effect.index >= least,
          `read ${effect.id} sees ${effect.index}, ${least} was committed when it was asked`,
        )
      }
    },
  }
}
