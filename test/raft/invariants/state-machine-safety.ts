/**
 * Nobody applies anything else at the same index, nothing is applied twice or left out, and what is applied is on the own
 * disk (figure 3, State Machine Safety; etcd 14370, nats 16a7548fc).
 */
import assert from 'node:assert/strict'
import type { Entry } from '../../../src/raft/types.ts'
import { type Server, textOf } from '../cluster.ts'
import { type Invariant, imageTermAt } from './invariant.ts'

export function stateMachineSafety(): Invariant {
  /** Index → what was applied anywhere. */
  const applied = new Map<number, string>()
  const check = (server: Server, entry: Entry): void => {
    const content = `${entry.term} ${entry.kind} ${textOf(entry)}`
    const known = applied.get(entry.index) ?? content
    assert.equal(content, known, `state machine safety at ${entry.index} on ${server.id}`)
    applied.set(entry.index, known)
    assert.equal(imageTermAt(server.image, entry.index), entry.term, 'what is applied is on the own disk')
  }
  return {
    stepped({ server, effects, before }) {
      let appliedIndex = before.appliedIndex
      for (const effect of effects) {
        if (effect.kind === 'restore') appliedIndex = effect.snapshot.meta.index
        if (effect.kind !== 'apply') continue
        for (const entry of effect.entries) {
          assert.equal(entry.index, ++appliedIndex, 'entries are applied in order, each once')
          check(server, entry)
        }
      }
    },
  }
}
